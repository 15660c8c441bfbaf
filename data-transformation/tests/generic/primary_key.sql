{#- The columns together (or the column that the test is at) are the model's key: never null, never twice. -#}
{% test primary_key(model, columns=none, column_name=none) %}

{%- set columns = columns or [column_name] %}

select
    {{ columns | join(', ') }},
    count(*) as occurrences
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1 or {{ columns | join(' is null or ') }} is null

{% endtest %}
