-- grain: one row per sales order line
-- fct_sales as the dbt models define it, of the lake's tables: each has the rows of the source as they are now.
-- Not here: customer_key (it needs a snapshot), order_hash and sales_hash (which contain it), extracted_at.
with

headers as (

    select
        salesorderid as order_id,
        salespersonid as salesperson_id,
        territoryid as territory_id,
        billtoaddressid as bill_to_address_id,
        shiptoaddressid as ship_to_address_id,
        shipmethodid as ship_method_id,
        creditcardid as credit_card_id,
        currencyrateid as currency_rate_id,
        status as order_status_id,
        onlineorderflag as is_online_order,
        try_cast(taxamt as decimal(18, 4)) as tax_amount,
        try_cast(freight as decimal(18, 4)) as freight_amount,
        orderdate as ordered_at,
        duedate as due_at,
        shipdate as shipped_at
    from salesorderheader

),

-- each type leaves room for the next product's digits: beyond 38 Spark rounds decimals away
lines as (

    select
        salesorderid as order_id,
        salesorderdetailid as order_line_id,
        productid as product_id,
        specialofferid as special_offer_id,
        concat('SO', salesorderid) as order_number,
        carriertrackingnumber as carrier_tracking_number,
        cast(orderqty as int) as order_quantity,
        try_cast(unitprice as decimal(18, 4)) as unit_price,
        try_cast(unitpricediscount as decimal(9, 4)) as unit_price_discount,
        cast(
            try_cast(unitprice as decimal(18, 4)) * cast(orderqty as decimal(10, 0)) as decimal(28, 4)
        ) as gross_amount
    from salesorderdetail

),

multiplied as (

    select
        *,
        cast(gross_amount * unit_price_discount as decimal(36, 8)) as discount_amount
    from lines

),

priced_lines as (

    select
        *,
        cast(gross_amount - discount_amount as decimal(37, 8)) as line_total
    from multiplied

),

-- DuckDB's trim takes every blank of Unicode for one, Spark's the common one alone
trimmed_addresses as (

    select
        addressid,
        stateprovinceid,
        regexp_replace(city, '^\\p{Zs}+|\\p{Zs}+$', '') as trimmed_city,
        regexp_replace(postalcode, '^\\p{Zs}+|\\p{Zs}+$', '') as trimmed_postalcode
    from address

),

addresses as (

    select
        addressid as address_id,
        md5(concat_ws(
            '|',
            coalesce(replace(replace(trimmed_city, '~', '~~'), '|', '~!'), ''),
            coalesce(cast(stateprovinceid as string), ''),
            coalesce(replace(replace(trimmed_postalcode, '~', '~~'), '|', '~!'), '')
        )) as geography_key
    from trimmed_addresses

),

currencies as (

    select
        currencyrate.currencyrateid as currency_rate_id,
        md5(trim(currency.currencycode)) as currency_key
    from currencyrate
    inner join currency on trim(currencyrate.tocurrencycode) = trim(currency.currencycode)

),

-- every order with the dimension rows that are right for it now
orders as (

    select
        headers.order_id,
        coalesce(headers.tax_amount, 0) as order_tax_amount,
        coalesce(headers.freight_amount, 0) as order_freight_amount,
        headers.ordered_at,
        coalesce(md5(cast(salesperson.businessentityid as string)), '-1') as salesperson_key,
        coalesce(md5(cast(salesterritory.territoryid as string)), '-1') as territory_key,
        coalesce(bill_to.geography_key, '-1') as bill_to_geography_key,
        coalesce(ship_to.geography_key, '-1') as ship_to_geography_key,
        coalesce(md5(order_statuses.order_status_id), '-1') as order_status_key,
        coalesce(md5(sales_channels.channel_code), '-1') as channel_key,
        coalesce(md5(creditcard.cardtype), '-1') as credit_card_type_key,
        coalesce(md5(cast(shipmethod.shipmethodid as string)), '-1') as ship_method_key,
        coalesce(currencies.currency_key, '-1') as currency_key,
        case
            when headers.ordered_at >= timestamp_ntz '1900-01-01' and headers.ordered_at < timestamp_ntz '2100-01-01'
                then cast(date_format(headers.ordered_at, 'yyyyMMdd') as int)
            else -1
        end as order_date_key,
        case
            when headers.due_at >= timestamp_ntz '1900-01-01' and headers.due_at < timestamp_ntz '2100-01-01'
                then cast(date_format(headers.due_at, 'yyyyMMdd') as int)
            else -1
        end as due_date_key,
        case
            when headers.shipped_at >= timestamp_ntz '1900-01-01' and headers.shipped_at < timestamp_ntz '2100-01-01'
                then cast(date_format(headers.shipped_at, 'yyyyMMdd') as int)
            else -1
        end as ship_date_key
    from headers
    left join salesperson on headers.salesperson_id = salesperson.businessentityid
    left join salesterritory on headers.territory_id = salesterritory.territoryid
    left join addresses as bill_to on headers.bill_to_address_id = bill_to.address_id
    left join addresses as ship_to on headers.ship_to_address_id = ship_to.address_id
    left join order_statuses on headers.order_status_id = cast(order_statuses.order_status_id as int)
    left join sales_channels on headers.is_online_order = cast(sales_channels.is_online_order as boolean)
    left join creditcard on headers.credit_card_id = creditcard.creditcardid
    left join shipmethod on headers.ship_method_id = shipmethod.shipmethodid
    left join currencies on headers.currency_rate_id = currencies.currency_rate_id

),

costs as (

    select
        productid as product_id,
        try_cast(standardcost as decimal(18, 4)) as standard_cost,
        startdate as valid_from,
        coalesce(
            case
                when enddate >= timestamp_ntz '9999-12-31' then timestamp_ntz '9999-12-31'
                else cast(date_add(cast(enddate as date), 1) as timestamp_ntz)
            end,
            timestamp_ntz '9999-12-31'
        ) as known_until
    from productcosthistory

),

-- what begins at the end of time never holds
starts as (

    select
        product_id,
        valid_from
    from costs
    where valid_from < timestamp_ntz '9999-12-31'

    union distinct

    select
        productid as product_id,
        startdate as valid_from
    from productlistpricehistory
    where startdate < timestamp_ntz '9999-12-31'

),

-- a product without any history has one version, from the product itself
versions as (

    select
        product_id,
        valid_from
    from starts

    union all

    select
        product.productid as product_id,
        case
            when product.sellstartdate < timestamp_ntz '9999-12-31' then product.sellstartdate
            else timestamp_ntz '1900-01-01'
        end as valid_from
    from product
    left join starts on product.productid = starts.product_id
    where starts.product_id is null

),

-- the cost that began last before the version, else the first one there is
ranked_costs as (

    select
        versions.product_id,
        versions.valid_from,
        costs.standard_cost,
        costs.valid_from as cost_known_from,
        costs.known_until as cost_known_until,
        row_number() over (
            partition by versions.product_id, versions.valid_from
            order by
                case when costs.valid_from <= versions.valid_from then costs.valid_from end desc nulls last,
                costs.valid_from asc
        ) as cost_rank
    from versions
    inner join costs on versions.product_id = costs.product_id

),

-- the first version of a product serves earlier days, too
product_versions as (

    select
        versions.product_id,
        md5(concat_ws(
            '|', cast(versions.product_id as string), date_format(versions.valid_from, 'yyyy-MM-dd HH:mm:ss.SSSSSS')
        )) as product_key,
        case
            when row_number() over (partition by versions.product_id order by versions.valid_from) = 1
                then timestamp_ntz '1900-01-01'
            else versions.valid_from
        end as applies_from,
        coalesce(
            lead(versions.valid_from) over (partition by versions.product_id order by versions.valid_from),
            timestamp_ntz '9999-12-31'
        ) as valid_to,
        coalesce(ranked_costs.standard_cost, try_cast(product.standardcost as decimal(18, 4))) as standard_cost,
        ranked_costs.cost_known_from,
        ranked_costs.cost_known_until
    from versions
    inner join product on versions.product_id = product.productid
    left join ranked_costs
        on
            versions.product_id = ranked_costs.product_id
            and versions.valid_from = ranked_costs.valid_from
            and ranked_costs.cost_rank = 1

),

-- every line with its order and the product version of its day
described_lines as (

    select
        priced_lines.*,
        orders.* except (order_id, order_tax_amount, order_freight_amount, ordered_at),
        coalesce(orders.order_tax_amount, 0) as order_tax_amount,
        coalesce(orders.order_freight_amount, 0) as order_freight_amount,
        coalesce(product_versions.product_key, '-1') as product_key,
        coalesce(md5(cast(specialoffer.specialofferid as string)), '-1') as promotion_key,
        cast(
            product_versions.standard_cost * cast(priced_lines.order_quantity as decimal(10, 0)) as decimal(28, 4)
        ) as standard_cost,
        not coalesce(
            orders.ordered_at >= product_versions.cost_known_from
            and orders.ordered_at < product_versions.cost_known_until,
            false
        ) as is_cost_estimated
    from priced_lines
    left join orders on priced_lines.order_id = orders.order_id
    left join product_versions
        on
            priced_lines.product_id = product_versions.product_id
            and orders.ordered_at >= product_versions.applies_from
            and orders.ordered_at < product_versions.valid_to
    left join specialoffer on priced_lines.special_offer_id = specialoffer.specialofferid

),

-- a line that was returned or can't be priced weighs what it moved, or nothing
weighed as (

    select
        *,
        coalesce(abs(line_total), 0) as weight,
        sum(coalesce(abs(line_total), 0)) over (partition by order_id) as total_weight,
        row_number() over (
            partition by order_id order by coalesce(abs(line_total), 0) desc, order_line_id asc
        ) as line_rank
    from described_lines

),

-- whole numbers, so that only the result is rounded: weights to 8 decimals, or by 10,000 where they are very large
counted as (

    select
        *,
        case
            when total_weight < 10000000000
                then cast(cast(weight as decimal(18, 8)) * cast(100000000 as decimal(9, 0)) as decimal(24, 0))
            else cast(cast(weight as decimal(28, 8)) * 0.0001 as decimal(24, 0))
        end as part,
        case
            when total_weight < 10000000000
                then
                    cast(cast(total_weight as decimal(18, 8)) * cast(100000000 as decimal(9, 0)) as decimal(24, 0))
            else cast(cast(total_weight as decimal(28, 8)) * 0.0001 as decimal(24, 0))
        end as whole,
        cast(abs(order_tax_amount) * 10000 as decimal(18, 0)) as tax_units,
        cast(abs(order_freight_amount) * 10000 as decimal(18, 0)) as freight_units
    from weighed

),

-- rounded half away from zero to 4 decimals
shared as (

    select
        *,
        coalesce(
            cast(
                case when order_tax_amount < 0 then -1 else 1 end
                * cast((2 * tax_units * part + whole) div nullif(2 * whole, 0) as decimal(19, 0))
                * 0.0001 as decimal(18, 4)
            ),
            0
        ) as tax_share,
        coalesce(
            cast(
                case when order_freight_amount < 0 then -1 else 1 end
                * cast((2 * freight_units * part + whole) div nullif(2 * whole, 0) as decimal(19, 0))
                * 0.0001 as decimal(18, 4)
            ),
            0
        ) as freight_share
    from counted

),

-- the largest line takes what rounding left over
allocated as (

    select
        *,
        tax_share + case
            when line_rank = 1 then order_tax_amount - sum(tax_share) over (partition by order_id) else 0
        end as tax_amount,
        freight_share + case
            when line_rank = 1 then order_freight_amount - sum(freight_share) over (partition by order_id) else 0
        end as freight_amount
    from shared

),

final as (

    select
        md5(concat_ws('|', cast(order_id as string), cast(order_line_id as string))) as sales_key,
        order_id,
        order_line_id,
        order_number,
        carrier_tracking_number,
        product_key,
        promotion_key,
        coalesce(salesperson_key, '-1') as salesperson_key,
        coalesce(territory_key, '-1') as territory_key,
        coalesce(bill_to_geography_key, '-1') as bill_to_geography_key,
        coalesce(ship_to_geography_key, '-1') as ship_to_geography_key,
        coalesce(order_status_key, '-1') as order_status_key,
        coalesce(channel_key, '-1') as channel_key,
        coalesce(credit_card_type_key, '-1') as credit_card_type_key,
        coalesce(ship_method_key, '-1') as ship_method_key,
        coalesce(currency_key, '-1') as currency_key,
        coalesce(order_date_key, -1) as order_date_key,
        coalesce(due_date_key, -1) as due_date_key,
        coalesce(ship_date_key, -1) as ship_date_key,
        order_quantity,
        unit_price,
        cast(unit_price_discount as decimal(18, 4)) as unit_price_discount,
        cast(gross_amount as decimal(38, 8)) as gross_amount,
        cast(discount_amount as decimal(38, 8)) as discount_amount,
        cast(line_total as decimal(38, 8)) as line_total,
        cast(standard_cost as decimal(38, 4)) as standard_cost,
        cast(line_total - standard_cost as decimal(38, 8)) as margin,
        is_cost_estimated,
        cast(tax_amount as decimal(18, 4)) as tax_amount,
        cast(freight_amount as decimal(18, 4)) as freight_amount
    from allocated

)

select * from final
