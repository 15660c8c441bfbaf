-- grain: one row per product and day on which its standard cost or its list price began to hold
with

products as (

    select * from {{ ref('stg_products') }}

),

costs as (

    select * from {{ ref('stg_product_cost_history') }}

),

prices as (

    select * from {{ ref('stg_product_list_price_history') }}

),

-- what begins at the end of time never holds
starts as (

    select
        product_id,
        valid_from
    from costs
    where valid_from < {{ end_of_time() }}

    union distinct

    select
        product_id,
        valid_from
    from prices
    where valid_from < {{ end_of_time() }}

),

-- a product without any history has one version, from the product itself
versions as (

    select
        product_id,
        valid_from
    from starts

    union all

    select
        product_id,
        case
            when sell_start_date < {{ end_of_time() }} then sell_start_date else {{ beginning_of_time() }}
        end as valid_from
    from products
    where product_id not in (select starts.product_id from starts)

),

-- the cost that began last before the version, else the first one there is
version_costs as (

    select
        versions.product_id,
        versions.valid_from,
        costs.standard_cost,
        costs.valid_from as cost_known_from,
        coalesce({{ next_midnight('costs.last_valid_day') }}, {{ end_of_time() }}) as cost_known_until
    from versions
    inner join costs on versions.product_id = costs.product_id
    qualify row_number() over (
        partition by versions.product_id, versions.valid_from
        order by
            case when costs.valid_from <= versions.valid_from then costs.valid_from end desc nulls last,
            costs.valid_from asc
    ) = 1

),

version_prices as (

    select
        versions.product_id,
        versions.valid_from,
        prices.list_price
    from versions
    inner join prices on versions.product_id = prices.product_id
    qualify row_number() over (
        partition by versions.product_id, versions.valid_from
        order by
            case when prices.valid_from <= versions.valid_from then prices.valid_from end desc nulls last,
            prices.valid_from asc
    ) = 1

),

merged as (

    select
        versions.product_id,
        versions.valid_from,
        coalesce(
            lead(versions.valid_from) over (partition by versions.product_id order by versions.valid_from),
            {{ end_of_time() }}
        ) as valid_to,
        row_number() over (partition by versions.product_id order by versions.valid_from) as version_number,
        coalesce(version_costs.standard_cost, products.standard_cost) as standard_cost,
        version_costs.cost_known_from,
        version_costs.cost_known_until,
        coalesce(version_prices.list_price, products.list_price) as list_price
    from versions
    left join products on versions.product_id = products.product_id
    left join version_costs
        on versions.product_id = version_costs.product_id and versions.valid_from = version_costs.valid_from
    left join version_prices
        on versions.product_id = version_prices.product_id and versions.valid_from = version_prices.valid_from

)

select * from merged
