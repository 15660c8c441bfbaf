{#- An identity that holds in every row; null is a failure (leave such rows out with `where`). -#}
{% test row_identity(model, expression) %}

select *
from {{ model }}
where coalesce(not ({{ expression }}), true)

{% endtest %}
