{#-
    Each of the columns holds a key of another model, never null (of those in `optional`, perhaps null); `columns` gives the model and its
    field by column. The failures are the rows that break it, with column and value.
    One test for all keys of a model: a test costs dbt more than its query costs the warehouse.
-#}
{% test foreign_keys(model, columns, optional=[]) %}

{%- for column, key in columns.items() %}
select
    '{{ column }}' as foreign_key,
    cast(referring.{{ column }} as {{ dbt.type_string() }}) as value
from {{ model }} as referring
left join {{ key.to }} as referred on referring.{{ column }} = referred.{{ key.field }}
where referred.{{ key.field }} is null{% if column in optional %} and referring.{{ column }} is not null{% endif %}
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}

{% endtest %}
