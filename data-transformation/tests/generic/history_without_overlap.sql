{#- Of one member, a period ends (inclusive) before the next one begins; only the last may be open. -#}
{% test history_without_overlap(model, id, first_day, last_day) %}

with

neighbours as (

    select
        {{ id }},
        {{ first_day }},
        {{ last_day }},
        lead({{ first_day }}) over (partition by {{ id }} order by {{ first_day }}) as next_first_day
    from {{ model }}

)

select *
from neighbours
where
    {{ last_day }} < {{ first_day }}
    or (next_first_day is not null and ({{ last_day }} is null or {{ last_day }} >= next_first_day))

{% endtest %}
