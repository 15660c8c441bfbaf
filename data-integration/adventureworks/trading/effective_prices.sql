-- Prices announced for today hold from today on: the product shows what its history says.
with
listed as (
    update production.product as p set listprice = h.listprice
    from production.productlistpricehistory as h
    where h.productid = p.productid and h.startdate::date = %(day)s and h.listprice <> p.listprice
    returning p.productid
)
select count(*) from listed;

with
costed as (
    update production.product as p set standardcost = h.standardcost
    from production.productcosthistory as h
    where h.productid = p.productid and h.startdate::date = %(day)s and h.standardcost <> p.standardcost
    returning p.productid
)
select count(*) from costed
