{#-
    Select the tax and freight of each line of the CTE `weights`, which has the lines of whole orders: the keys, `weight` (not
    negative), `order_tax_amount` and `order_freight_amount` (not null). Amounts of an order are shared out by weight; the
    largest line takes what rounding left over, and all of an order whose lines weigh nothing.
-#}
{% macro allocated_to_lines(order_id, line_id) -%}
    with

    weighed as (

        select
            *,
            sum(weight) over (partition by {{ order_id }}) as total_weight,
            row_number() over (partition by {{ order_id }} order by weight desc, {{ line_id }} asc) as line_rank
        from weights

    ),

    shared as (

        select
            *,
            coalesce({{ share_of('order_tax_amount', 'weight', 'total_weight') }}, 0) as tax_share,
            coalesce({{ share_of('order_freight_amount', 'weight', 'total_weight') }}, 0) as freight_share
        from weighed

    )

    select
        {{ order_id }},
        {{ line_id }},
        tax_share + case
            when line_rank = 1 then order_tax_amount - sum(tax_share) over (partition by {{ order_id }}) else 0
        end as tax_amount,
        freight_share + case
            when line_rank = 1 then order_freight_amount - sum(freight_share) over (partition by {{ order_id }}) else 0
        end as freight_amount
    from shared
{%- endmacro %}
