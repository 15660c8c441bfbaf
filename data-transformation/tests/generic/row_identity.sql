{#- An arithmetic identity that holds in every row; a null on either side is a failure unless `where` leaves the row out. -#}
{% test row_identity(model, expression) %}

select *
from {{ model }}
where coalesce(not ({{ expression }}), true)

{% endtest %}
