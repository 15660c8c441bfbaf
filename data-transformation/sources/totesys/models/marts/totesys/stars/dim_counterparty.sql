-- grain: one row per counterparty, as last known, and the unknown one
with

counterparties as (

    select * from {{ ref('stg_totesys_counterparties') }}

),

addresses as (

    select * from {{ ref('stg_totesys_addresses') }}

),

described as (

    select
        counterparties.counterparty_id,
        counterparties.counterparty_legal_name,
        addresses.address_line_1 as counterparty_legal_address_line_1,
        addresses.address_line_2 as counterparty_legal_address_line_2,
        addresses.district as counterparty_legal_district,
        addresses.city as counterparty_legal_city,
        addresses.postal_code as counterparty_legal_postal_code,
        addresses.country as counterparty_legal_country,
        addresses.phone as counterparty_legal_phone
    from counterparties
    left join addresses
        on
            counterparties.legal_address_id = addresses.address_id
            and addresses.is_last_known
    where counterparties.is_last_known

),

unknown as (

    select
        -1 as counterparty_id,
        'Unknown' as counterparty_legal_name,
        cast(null as varchar) as counterparty_legal_address_line_1,
        cast(null as varchar) as counterparty_legal_address_line_2,
        cast(null as varchar) as counterparty_legal_district,
        cast(null as varchar) as counterparty_legal_city,
        cast(null as varchar) as counterparty_legal_postal_code,
        'Unknown' as counterparty_legal_country,
        cast(null as varchar) as counterparty_legal_phone

)

select * from described
union all
select * from unknown
