{#-
    Macros of dbt that this project replaces, each as read in dbt-core 1.11 and dbt-adapters 1.24, dbt-duckdb 1.11, dbt-snowflake 1.12.
    A test compares these versions with what is installed: read the originals again before you raise them.
-#}

{#- Schemas are named exactly as configured; only the target `dev` puts the developer's name before them. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- elif target.name == 'dev' -%}
        {{ target.schema }}_{{ custom_schema_name | trim }}
    {%- else -%}
        {{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}

{#-
    --full-refresh is for all models, the request's `full_refresh` for those that it names. A table that has other columns than
    its model is fully refreshed in any case.
-#}
{% macro should_full_refresh() -%}
    {%- set configured = config.get('full_refresh') -%}
    {%- if configured is none -%}
        {%- set configured = (
            flags.FULL_REFRESH or model.name in (build_request().full_refresh or []) or has_other_columns()
        ) -%}
    {%- endif -%}
    {{ return(configured) }}
{%- endmacro %}

{#-
    Is there a table of this incremental model with other columns than its contract has, or of other types? Who pulls another
    version of the model need not know of it. (Snowflake keeps all integers in one type: decimals are compared there.)
-#}
{% macro has_other_columns() -%}
    {%- set asked = execute and model.config.materialized == 'incremental' and not only_touched() -%}
    {%- set existing = load_cached_relation(this) if asked -%}
    {%- set found = {} -%}
    {%- if existing -%}
        {%- for column in adapter.get_columns_in_relation(existing) -%}
            {%- set type = column.dtype if target.type == 'duckdb' else column.data_type -%}
            {%- do found.update({column.name | lower: type | lower | replace(' ', '')}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set others = [] -%}
    {%- for column in model.columns.values() if found -%}
        {%- set declared, type = column.data_type | lower | replace(' ', ''), found.get(column.name | lower) -%}
        {%- set digits = declared | replace('decimal', '') if declared.startswith('decimal') -%}
        {%- if type is none or (digits and not type.endswith(digits)) or (target.type == 'duckdb' and type != declared) -%}
            {%- do others.append(column.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(others != [] or (found and found | length != model.columns | length)) }}
{%- endmacro %}

{#-
    A table that is only brought up to date has its comments already, and the columns of its model. (Other
    files, with other comments and columns, build everything.)
-#}
{% macro persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {%- if model.config.materialized == 'incremental' and only_touched() -%}
        {{ return('') }}
    {%- elif target.type == 'duckdb' and (model.config.get('contract') or {}).enforced -%}
        {%- do run_query(comments(relation, model)) -%}
    {%- else -%}
        {{ return(dbt.persist_docs(relation, model, for_relation, for_columns)) }}
    {%- endif -%}
{%- endmacro %}

{#- DuckDB: the comments of a table that has the columns of its contract (dbt's macro would ask for them twice). -#}
{% macro comments(relation, model) -%}
    {{ alter_relation_comment(relation, model.description) }}
    {%- for name, column in model.columns.items() %}
    comment on column {{ relation }}.{{ name }} is {{ duckdb_escape_comment(column.description) }};
    {%- endfor %}
{%- endmacro %}

{#- The columns of a table that is only brought up to date are those of its model. -#}
{% macro process_schema_changes(on_schema_change, source_relation, target_relation) -%}
    {%- if not only_touched() -%}
        {{ return(dbt.process_schema_changes(on_schema_change, source_relation, target_relation)) }}
    {%- endif -%}
    {%- set known = [] -%}
    {%- for column in model.columns.values() if target.type == 'duckdb' -%} {#- Snowflake has them in capitals: asked for -#}
        {%- do known.append(api.Column(column.name, column.data_type)) -%}
    {%- endfor -%}
    {{ return(known) }}
{%- endmacro %}

{#- The last build held the same models against their contracts; unless raw has other columns since. -#}
{% macro get_assert_columns_equivalent(sql) -%}
    {%- if not only_touched() or changes().other_columns -%}
        {{ return(dbt.get_assert_columns_equivalent(sql)) }}
    {%- endif -%}
{%- endmacro %}
