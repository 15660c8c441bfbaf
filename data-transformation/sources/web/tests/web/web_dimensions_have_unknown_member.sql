-- Each dimension of web traffic has exactly one unknown member.
select
    'dim_device' as dimension,
    count(*) as unknown_members
from {{ ref('dim_device') }}
where device_key = {{ unknown_key() }}
having count(*) <> 1

union all

select
    'dim_referrer' as dimension,
    count(*) as unknown_members
from {{ ref('dim_referrer') }}
where referrer_key = {{ unknown_key() }}
having count(*) <> 1
