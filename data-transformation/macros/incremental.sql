{#- Does any of the columns differ between two rows? Null is a value like any other. -#}
{% macro any_differs(left_alias, right_alias, columns) -%}
    (
        {%- for column in columns %}
        {% if not loop.first %}or {% endif %}{{ left_alias }}.{{ column }} is distinct from {{ right_alias }}.{{ column }}
        {%- endfor %}
    )
{%- endmacro %}

{#- Post-hook of an incremental fact: rows whose key has left staging (deleted in the source) leave the fact. -#}
{% macro remove_vanished(staging, keys) -%}
    delete from {{ this }}
    where ({{ keys | join(', ') }}) not in (select {{ keys | join(', ') }} from {{ staging }})
{%- endmacro %}

{#- Overrides dbt's: --full-refresh is for all models, ELT_FULL_REFRESH for those that it names, with commas between them. -#}
{% macro should_full_refresh() -%}
    {%- set configured = config.get('full_refresh') -%}
    {%- if configured is none -%}
        {%- set configured = flags.FULL_REFRESH or model.name in env_var('ELT_FULL_REFRESH', '').split(',') -%}
    {%- endif -%}
    {{ return(configured) }}
{%- endmacro %}

{#-
    Pre-hook of an incremental fact: its rows of the days from ELT_REBUILD_FROM to ELT_REBUILD_TO (yyyy-mm-dd) are forgotten, so
    that this build makes them again.
-#}
{% macro rebuild_days(date_key_column) -%}
    {%- set first_day = env_var('ELT_REBUILD_FROM', '') | replace('-', '') | int -%}
    {%- set last_day = env_var('ELT_REBUILD_TO', '') | replace('-', '') | int -%}
    {%- if first_day and is_incremental() -%}
        delete from {{ this }} where {{ date_key_column }} between {{ first_day }} and {{ last_day or first_day }}
    {%- endif -%}
{%- endmacro %}
