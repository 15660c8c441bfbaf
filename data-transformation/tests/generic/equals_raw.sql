{#-
    A fact has the rows of a raw stream, with the same sums; if not, the failures are the rows that differ. `keys`, `amounts` and
    `quantities` name the fact's column and raw's; `expressions` the fact's column and SQL over raw.
    Totals are asked first, because a join of all rows costs more and nearly always finds nothing.
-#}
{% test equals_raw(model, raw, keys, amounts={}, quantities={}, expressions={}) %}

{%- set columns = {} -%}
{%- for ours, theirs in amounts.items() -%}
    {%- do columns.update({ours: amount(theirs)}) -%}
{%- endfor -%}
{%- do columns.update(quantities) -%}
{%- do columns.update(expressions) -%}

{%- if not execute or run_query(totals_differ(model, raw, columns)).rows[0][0] %}

with

raw_rows as (

    select
        {%- for ours, theirs in keys.items() %}
        {{ theirs }} as {{ ours }},
        {%- endfor %}
        {%- for column, expression in columns.items() %}
        {{ expression }} as {{ column }},
        {%- endfor %}
        1 as row_count
    from {{ raw }}
    where {{ not_deleted(raw) }}

),

fact_rows as (

    select
        *,
        1 as row_count
    from {{ model }}

)

select
    {%- for key in keys %}
    coalesce(raw_rows.{{ key }}, fact_rows.{{ key }}) as {{ key }},
    {%- endfor %}
    {%- for column in columns %}
    raw_rows.{{ column }} as raw_{{ column }},
    fact_rows.{{ column }},
    {%- endfor %}
    case
        when fact_rows.row_count is null then 'only in raw'
        when raw_rows.row_count is null then 'only in the fact'
        else 'differs'
    end as what
from raw_rows
full outer join fact_rows
    on
        {%- for key in keys %}
        {% if not loop.first %}and {% endif %}raw_rows.{{ key }} = fact_rows.{{ key }}
        {%- endfor %}
where {{ any_differs('raw_rows', 'fact_rows', ['row_count'] + columns.keys() | list) }}

{%- else %}

select 'differs' as what
where false

{%- endif %}

{% endtest %}
