-- The events of new orders, each from its order, the seed and nothing else: chance is a number made of their hash.
-- An order brings the session in which it was placed and 4 to 11 in which somebody of its country only looked around.
with
sessions as (
    select
        orders.*,
        number as session_number,
        number = 0 as orders_something,
        chance(concat_ws(' ', $seed, order_id, number)) as dice
    from orders
    cross join range(12) as numbers (number)
    where number <= 4 + chance(concat_ws(' ', $seed, 'crowd', order_id)) % 8
),

-- how many pages each sees: a buyer 6 to 10, a third of the others only one
visits as (
    select
        *,
        case
            when orders_something then 6 + dice % 5
            when dice % 100 < 35 then 1
            else 2 + (dice >> 8) % 8
        end::integer as pages,
        -- a buyer's customer is known, and that of one visit in three
        case when orders_something or (dice >> 16) % 10 < 3 then customer_id end as user_id,
        -- buyers sit at a desk more often
        case
            when (dice >> 24) % 100 < if(orders_something, 62, 41) then 'desktop'
            when (dice >> 24) % 100 < if(orders_something, 90, 91) then 'mobile'
            else 'tablet'
        end as device_type,
        ((dice >> 32) % 3)::integer as browser,
        (dice >> 36) % 100 as origin,
        -- pages take at most three minutes each: it ends on its day
        order_day + to_seconds(((dice >> 40) % 84000)::bigint) as began_at,
        case
            when (dice >> 44) % 10 = 0
                then printf('2001:db8:%x:%x::%x', (dice >> 4) % 65536, (dice >> 20) % 65536, 1 + dice % 65535)
            else printf('198.%d.%d.%d', 18 + dice % 2, (dice >> 12) % 256, 1 + (dice >> 28) % 254)
        end as ip_address
    from sessions
),

views as (
    select
        visits.*,
        page,
        chance(concat_ws(' ', $seed, order_id, session_number, page)) as luck,
        (3 + (luck >> 8) % 178)::integer as duration
    from visits
    cross join range(10) as numbers (page)
    where page < pages
),

-- home, a category, products; then a buyer goes to the cart, the checkout and the confirmation, others seldom that far
named as (
    select
        *,
        case
            when orders_something and page = pages - 1 then 'order-confirmation/SO' || order_id
            when orders_something and page = pages - 2 then 'checkout'
            when page = pages - if(orders_something, 3, 2) and pages > 4 and (orders_something or (dice >> 48) % 5 = 0)
                then 'cart'
            when page = pages - 1 and pages > 4 and (dice >> 48) % 15 = 0 then 'checkout'
            when page = 0 and origin % 2 = 0 then ''
            when page <= 1 then 'categories/' || ['bikes', 'components', 'clothing', 'accessories'][1 + luck % 4]
            else 'products/' || products[1 + luck % len(products)]
        end as path,
        began_at + to_seconds(
            coalesce(sum(duration) over (
                partition by order_id, session_number order by page rows between unbounded preceding and 1 preceding
            ), 0)::bigint
        ) as happened_at
    from views
),

linked as (
    select
        *,
        lag(path) over (partition by order_id, session_number order by page) as path_before
    from named
),

-- two in a hundred arrive hours late, the others within a minute
events as (
    select
        md5(concat_ws(' ', $seed, order_id, session_number, page)) as event_id,
        happened_at as "timestamp",
        md5(concat_ws(' ', $seed, order_id, session_number)) as session_id,
        user_id,
        $site || path as page_url,
        case
            when page > 0 then $site || path_before
            when origin < 40 then ['https://www.google.com/', 'https://www.bing.com/', 'https://duckduckgo.com/'][1 + luck % 3]
            when origin < 55 then ['https://www.facebook.com/', 'https://www.instagram.com/'][1 + luck % 2]
            when origin < 65 then 'https://mail.adventure-works.example/newsletter'
        end as referrer_url,
        ip_address,
        case device_type
            when 'desktop' then [
                'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
                'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
                'Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0'
            ][1 + browser]
            when 'mobile' then [
                'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
                'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
                'Mozilla/5.0 (Android 15; Mobile; rv:142.0) Gecko/142.0 Firefox/142.0'
            ][1 + browser]
            else 'Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/604.1'
        end as user_agent,
        device_type,
        duration,
        country,
        case when orders_something and page = pages - 1 then order_value end as order_value,
        happened_at + to_seconds(
            if($late and luck % 100 < 2, 3600 + ((luck >> 16) % 79200)::bigint, ((luck >> 16) % 60)::bigint)
        ) as arrived_at,
        luck
    from linked
),

-- one in a hundred is sent again, within ten minutes
deliveries as (
    select * from events
    union all by name
    select * replace (arrived_at + to_seconds(1 + ((luck >> 24) % 600)::bigint) as arrived_at)
    from events
    where $late and (luck >> 8) % 100 = 7
)

select
    $last + row_number() over (order by arrived_at, event_id) as position,
    * exclude (luck)
from deliveries
order by position
