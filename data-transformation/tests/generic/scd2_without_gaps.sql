{#-
    The versions of one member follow each other without gap or overlap, the last one is open and the only current
    one, and they are numbered in that order.
-#}
{% test scd2_without_gaps(model, id) %}

with

neighbours as (

    select
        {{ id }},
        valid_from,
        valid_to,
        is_current,
        version_number,
        lead(valid_from) over (partition by {{ id }} order by valid_from) as next_valid_from,
        row_number() over (partition by {{ id }} order by valid_from) as expected_number
    from {{ model }}

)

select *
from neighbours
where
    valid_from >= valid_to
    or valid_to <> coalesce(next_valid_from, {{ end_of_time() }})
    or is_current <> (next_valid_from is null)
    or version_number <> expected_number

{% endtest %}
