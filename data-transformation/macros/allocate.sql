{#-
    The part of `amount` that falls to `weight` of `total`, rounded half up to 4 decimals, in exact decimals:
    the product is cut down to a multiple of (total × 0.0001) before it is divided, so the quotient has no tail that
    a float could tip over. Null when the total is 0 (there is nothing to weigh by).
-#}
{% macro share_of(amount, weight, total) -%}
    {%- set halfway = 'cast(' ~ amount ~ ' as decimal(38, 4)) * ' ~ weight ~ ' + ' ~ total ~ ' * 0.00005' -%}
    cast(round((({{ halfway }}) - mod({{ halfway }}, nullif({{ total }}, 0) * 0.0001)) / nullif({{ total }}, 0), 4) as decimal(18, 4))
{%- endmacro %}
