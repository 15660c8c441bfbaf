{#- Does any of the columns differ between two rows? Null is a value like any other. -#}
{% macro any_differs(left_alias, right_alias, columns) -%}
    (
        {%- for column in columns %}
        {% if not loop.first %}or {% endif %}{{ left_alias }}.{{ column }} is distinct from {{ right_alias }}.{{ column }}
        {%- endfor %}
    )
{%- endmacro %}

{#- Post-hook of an incremental fact: rows whose key has left staging (deleted in the source) leave the fact. -#}
{% macro remove_vanished(staging, keys) -%}
    delete from {{ this }}
    where ({{ keys | join(', ') }}) not in (select {{ keys | join(', ') }} from {{ staging }})
{%- endmacro %}
