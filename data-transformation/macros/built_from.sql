{#-
    What the marts were built from: the table `built_from`, a row for each raw stream (its version), the `project` and the
    `day`. A build of everything that differs writes it when it has ended well; transformation.changed_inputs reads it.

    There are two. The one of the marts is published, put back and rolled back with them. The one next to the seeds stays,
    as views, seeds and snapshots do, and says by which project those were built.
-#}
{% macro built_from(schema) -%}
    {{ return(api.Relation.create(
        database=target.database, schema=generate_schema_name(schema, none) | trim, identifier='built_from', type='table'
    )) }}
{%- endmacro %}

{% macro built_from_schemas() -%}
    {{ return([env_var('DBT_MARTS_SCHEMA', 'marts'), 'intermediate']) }}
{%- endmacro %}

{#- name → version, as the last build has left it; empty when there is none. -#}
{% macro built_from_rows(schema) -%}
    {%- set noted = load_relation(built_from(schema)) -%}
    {%- set columns = run_query('select name, version from ' ~ noted).columns if noted else [[], []] -%}
    {{ return(dict(zip(columns[0], columns[1]))) }}
{%- endmacro %}

{#- Does this command build, where others build upon it? A developer's own schemas (`dev`) are always built as asked. -#}
{% macro builds() -%}
    {{ return(execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'retry') and target.name != 'dev') }}
{%- endmacro %}

{#-
    on-run-start: by other files than the last complete build (the request has their digest; dbt by hand has none)? Then nobody
    knows what was built from what.
-#}
{% macro forget_built_from() -%}
    {%- if builds() -%}
        {%- for schema in built_from_schemas() -%}
            {%- set project = built_from_rows(schema).get('project') -%}
            {%- if project and project != build_request().project -%}
                {%- do adapter.drop_relation(load_relation(built_from(schema))) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#-
    on-run-end: the versions that the caller read before dbt began (`building_from`; none for a part that was asked for), when
    all has ended well. A build of what has changed since `built_from` counts only upon that.
    What is not noted stays as it was: nodes are then as old as it says or newer, and are built again.
-#}
{% macro note_built_from(results) -%}
    {%- if builds() -%}
        {%- set building_from = build_request().building_from or {} -%}
        {%- set built_upon = build_request().built_from or {} -%}
        {%- set marts, beside = built_from_schemas() -%}
        {%- set bad = results | rejectattr('status', 'in', ['success', 'pass', 'warn', 'no-op']) | list -%}
        {%- if building_from and not bad and (
            not built_upon or (built_from_rows(marts) == built_upon and built_from_rows(beside))
        ) -%}
            {%- do adapter.create_schema(built_from(beside)) -%}
            {%- do adapter.create_schema(built_from(marts)) -%}
            {%- do run_query(create_built_from(beside, building_from)) -%}
            {{ create_built_from(marts, building_from) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro create_built_from(schema, rows) -%}
    create or replace table {{ built_from(schema) }} as
    select cast(name as varchar) as name, cast(version as varchar) as version
    from (
        values
        {%- for name, version in rows.items() %}
        ({{ text_literal(name) }}, {{ text_literal(version) }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as built (name, version)
{%- endmacro %}

{#- Snowflake takes a backslash in a literal for the beginning of an escape. -#}
{% macro text_literal(text) -%}
    {{ return(dbt.string_literal(dbt.escape_single_quotes(
        text | replace('\\', '\\\\') if target.type == 'snowflake' else text
    ))) }}
{%- endmacro %}
