{#- The model has no rows; those that it has are the failures. -#}
{% test no_rows(model) %}

select *
from {{ model }}

{% endtest %}
