{#-
    Pre-hook of a snapshot. A column that its query has and its table lacks is added and filled in the open versions with
    what it is now, so that it makes no new version; closed versions have null, since nobody knows what it was. The table
    is copied first, to <snapshot>_before_<day>_<time>: it can't be rebuilt. (Left to itself, dbt gives every row a new version.)
-#}
{% macro fill_new_columns() -%}
    {%- set kept = load_relation(this) if execute and not only_touched() -%}
    {%- if kept -%}
        {%- set known = run_query('select * from ' ~ kept ~ ' limit 0').column_names | map('lower') | list -%}
        {%- set added = [] -%}
        {%- for column in get_column_schema_from_query(model.compiled_code) if column.name | lower not in known -%}
            {%- do added.append(column) -%}
        {%- endfor -%}
        {%- if added -%}
            {%- set backup = kept.identifier ~ run_started_at.strftime('_before_%Y%m%d_%H%M%S') -%}
            {%- do run_query('create table ' ~ kept.incorporate(path={'identifier': backup}) ~ ' as select * from ' ~ kept) -%}
            {%- do alter_relation_add_remove_columns(kept, added, none) -%}
            {%- set keys = [config.get('unique_key')] if config.get('unique_key') is string else config.get('unique_key') -%}
            {%- set update -%}
                update {{ kept }} set
                    {%- for column in added %}
                    {{ column.name }} = latest.{{ column.name }}{{ ',' if not loop.last }}
                    {%- endfor %}
                from ({{ model.compiled_code }}) as latest
                where
                    {{ kept.identifier }}.dbt_valid_to is null
                    {%- for key in keys %}
                    and {{ kept.identifier }}.{{ key }} = latest.{{ key }}
                    {%- endfor %}
            {%- endset -%}
            {%- do run_query(update) -%}
            {%- do log(
                kept.identifier ~ ': ' ~ (added | map(attribute='name') | join(', ')) ~ ' added without new versions; '
                ~ backup ~ ' is the table as it was', info=true
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
