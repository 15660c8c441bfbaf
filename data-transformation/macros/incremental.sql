{#- Does any of the columns differ between two rows? Null is a value like any other. -#}
{% macro any_differs(left_alias, right_alias, columns) -%}
    (
        {%- for column in columns %}
        {% if not loop.first %}or {% endif %}{{ left_alias }}.{{ column }} is distinct from {{ right_alias }}.{{ column }}
        {%- endfor %}
    )
{%- endmacro %}

{#-
    Post-hook of an incremental fact: rows whose key has left staging (deleted in the source) leave the fact. By now it has
    every key of staging; if a key is one row in both, as many rows are the same ones, and nothing is looked for. Nor is
    anything counted if staging is what it was when the fact was built.
-#}
{% macro remove_vanished(staging, keys, row_each=true) -%}
    {%- if execute and (not only_touched() or has_newer_inputs(staging.identifier)) -%}
        {%- set counts = run_query(
            'select (select count(*) from ' ~ staging ~ ') as wanted, (select count(*) from ' ~ this ~ ') as there'
        ).rows[0] if row_each else [0, 1] -%}
        {%- if counts[0] != counts[1] -%}
            delete from {{ this }}
            where ({{ keys | join(', ') }}) not in (select {{ keys | join(', ') }} from {{ staging }})
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#-
    Pre-hook of an incremental fact: its rows of the days from `rebuild_from` to `rebuild_to` (yyyy-mm-dd) of the request are
    forgotten, so that this build makes them again.
-#}
{% macro rebuild_days(date_key_column) -%}
    {%- set first_day = (build_request().rebuild_from or '') | replace('-', '') | int -%}
    {%- set last_day = (build_request().rebuild_to or '') | replace('-', '') | int -%}
    {%- if first_day and is_incremental() -%}
        delete from {{ this }} where {{ date_key_column }} between {{ first_day }} and {{ last_day or first_day }}
    {%- endif -%}
{%- endmacro %}
