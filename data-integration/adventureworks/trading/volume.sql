-- Orders per channel on an average one of the last 30 days that had any.
with
days as (
    select
        orderdate::date as day,
        count(*) filter (where onlineorderflag) as online,
        count(*) filter (where not onlineorderflag) as resellers
    from sales.salesorderheader
    where orderdate >= %(day)s::date - 120
    group by 1
    order by 1 desc
    limit 30
)
select coalesce(avg(online), 0)::double precision, coalesce(avg(resellers), 0)::double precision from days
