{#- What somebody who triggers a run can ask for, by the environment: models to build anew, days to build again. -#}

{#- Overrides dbt's: --full-refresh for all models, ELT_FULL_REFRESH for those that it names, with commas between them. -#}
{% macro should_full_refresh() -%}
    {%- set wanted = config.get('full_refresh') -%}
    {%- if wanted is none -%}
        {%- set wanted = flags.FULL_REFRESH or model.name in env_var('ELT_FULL_REFRESH', '').split(',') -%}
    {%- endif -%}
    {{ return(wanted) }}
{%- endmacro %}

{#-
    Pre-hook of an incremental fact: its rows of the days from ELT_REBUILD_FROM to ELT_REBUILD_TO (yyyy-mm-dd) look as if they
    were built long ago, so that this build makes them again.
-#}
{% macro rebuild_days(date_key_column) -%}
    {%- set first_day = env_var('ELT_REBUILD_FROM', '') | replace('-', '') | int -%}
    {%- set last_day = env_var('ELT_REBUILD_TO', '') | replace('-', '') | int -%}
    {%- if first_day and is_incremental() -%}
        update {{ this }} set extracted_at = {{ beginning_of_time() }}
        where {{ date_key_column }} between {{ first_day }} and {{ last_day or first_day }}
    {%- endif -%}
{%- endmacro %}
