-- grain: one row per sales order
with

source as (

    select * from {{ source('adventureworks_sales', 'salesorderheader') }}

),

renamed as (

    select
        -- ids
        salesorderid as order_id,
        customerid as customer_id,
        salespersonid as salesperson_id,
        territoryid as territory_id,
        billtoaddressid as bill_to_address_id,
        shiptoaddressid as ship_to_address_id,
        shipmethodid as ship_method_id,
        creditcardid as credit_card_id,
        currencyrateid as currency_rate_id,

        -- text
        'SO' || cast(salesorderid as varchar) as order_number,
        purchaseordernumber as purchase_order_number,
        accountnumber as account_number,

        -- numerics
        revisionnumber as revision_number,
        status as order_status_id,
        {{ amount('subtotal') }} as subtotal,
        {{ amount('taxamt') }} as tax_amount,
        {{ amount('freight') }} as freight_amount,
        {{ amount('totaldue') }} as total_due,

        -- booleans
        onlineorderflag as is_online_order,

        -- timestamps
        orderdate as ordered_at,
        duedate as due_at,
        shipdate as shipped_at,

        -- extraction
        {{ extracted_at() }} as extracted_at
    from source
    where {{ not_deleted(source('adventureworks_sales', 'salesorderheader')) }}

)

select * from renamed
