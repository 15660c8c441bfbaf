-- grain: one row per type of credit card, and the unknown type (which stands for no card, too)
with

credit_cards as (

    select * from {{ ref('stg_credit_cards') }}

),

card_types as (

    select distinct
        {{ surrogate_key(['card_type']) }} as credit_card_type_key,
        card_type as credit_card_type
    from credit_cards

),

unknown_card_type as (

    select
        {{ unknown_key() }} as credit_card_type_key,
        'Unknown' as credit_card_type

)

select * from card_types
union all
select * from unknown_card_type
