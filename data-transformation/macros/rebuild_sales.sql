{#-
    Which rows of fct_sales and obt_sales a build makes again. Each reads its own table (`this`), so that it can't be a model: a
    model that another one builds upon does not see it. They read tables rather than CTEs, because DuckDB copies a CTE that is
    read twice, all its columns; the CTE `products` is the caller's.
-#}

{#- Is the cost of a line another one than that of the day of its order? -#}
{% macro is_cost_estimated() -%}
    not coalesce(
            orders.ordered_at >= products.cost_known_from and orders.ordered_at < products.cost_known_until, false
        )
{%- endmacro %}

{#- Does a line belong to a touched order, or show a touched product? -#}
{% macro is_of_touched(is_touched, is_touched_product) -%}
    {{ is_touched }}
            or product_key in (
                select products.product_key from products
                where {{ is_touched_product }}
            )
{%- endmacro %}

{#-
    Select the orders (`order_id`) of which fct_sales lacks a line, or holds one that is no longer right: of another state of its order,
    with a product version, a cost or an unknown member that has been replaced.
-#}
{% macro sales_orders_to_build(orders, lines, is_touched, is_touched_product) -%}
    with

    synced_lines as (

        select order_id from {{ lines }}
        {%- if only_touched() %}
        where {{ is_touched }}
        {%- endif %}

    ),

    built_lines as (

        select * from {{ this }}
        {%- if only_touched() %}
        where
            {{ is_of_touched(is_touched, is_touched_product) }}
            -- a version that is no more: the product starts another day, or has got a history
            or product_key not in (select products.product_key from products)
            or product_key = {{ unknown_key() }}
            or promotion_key = {{ unknown_key() }}
        {%- endif %}

    )

    -- of lines that are new, or came before their order
    select order_id
    from synced_lines
    where
        order_id not in (select built.order_id from {{ 'built_lines' if only_touched() else this }} as built)
        or order_id not in (select orders.order_id from {{ orders }} as orders)

    union distinct

    select built.order_id
    from built_lines as built
    left join {{ orders }} as orders on built.order_id = orders.order_id
    left join products on built.product_key = products.product_key
    where
        built.order_hash is distinct from orders.order_hash
        or built.product_key = {{ unknown_key() }}
        or built.promotion_key = {{ unknown_key() }}
        or not coalesce(orders.ordered_at >= products.applies_from and orders.ordered_at < products.valid_to, false)
        or built.standard_cost
        is distinct from cast({{ product(['products.standard_cost', 'built.order_quantity']) }} as decimal(38, 4))
        or built.is_cost_estimated <> {{ is_cost_estimated() }}
{%- endmacro %}

{#-
    Select the lines (`order_line_id`) that obt_sales lacks, or holds with another hash or with words that have changed. `members`: of each
    dimension whose words may change while its key stays, the CTE of the caller, the model, its key, the fact's key, and
    what a column is called there and here.
-#}
{% macro sales_lines_to_build(sales, members, is_touched, is_touched_product) -%}
    {%- set compared = [] -%}
    {%- for member in members if not only_touched() or has_newer_inputs(member[1]) -%}
        {%- do compared.append(member) -%}
    {%- endfor -%}
    with

    compared_lines as (

        select
            order_id,
            order_line_id,
            sales_hash
        from {{ sales }}
        {%- if only_touched() %}
        where
            {{ is_of_touched(is_touched, is_touched_product) }}
            {%- if has_newer_inputs('dim_promotion') %}
            or true
            {%- endif %}
        {%- endif %}

    ),

    changed_lines as (

        select sales.order_line_id
        from compared_lines as sales
        left join {{ this }} as built on sales.order_id = built.order_id and sales.order_line_id = built.order_line_id
        where sales.sales_hash is distinct from built.sales_hash

    ),

    {%- for member, dimension, key, role, words in compared %}

    -- all lines of a member were given the same words, so its first one tells whether they are still right
    first_lines_of_{{ member }} as (

        select
            {{ role }},
            min(order_line_id) as order_line_id
        from {{ sales }}
        group by {{ role }}

    ),

    renamed_{{ member }} as (

        select first_lines.{{ role }}
        from first_lines_of_{{ member }} as first_lines
        inner join {{ member }} on first_lines.{{ role }} = {{ member }}.{{ key }}
        left join {{ this }} as built on first_lines.order_line_id = built.order_line_id
        where
            first_lines.order_line_id in (select changed_lines.order_line_id from changed_lines)
            {%- for theirs, ours in words.items() %}
            or {{ member }}.{{ theirs }} is distinct from built.{{ ours }}
            {%- endfor %}

    ),

    {%- endfor %}

    lines_of_changes as (

        select changed_lines.order_line_id
        from changed_lines
        {%- for member, dimension, _, role, _ in compared %}

        union all

        select sales.order_line_id
        from {{ sales }} as sales
        inner join renamed_{{ member }} on sales.{{ role }} = renamed_{{ member }}.{{ role }}
        {%- endfor %}

    )

    -- grouped, these few are what DuckDB keeps in memory to look up, and not the whole fact
    select order_line_id
    from lines_of_changes
    group by order_line_id
{%- endmacro %}
