-- Grain: one row per day and dbt node that ran on a SQL warehouse with the tag project = crypto.
-- Cost: each hour's price of a warehouse, shared by all of its statements by the milliseconds that they were at work.
-- An hour is that in which a statement began. Prices are list prices, as system.billing.list_prices has them.
with

statements as (

    select
        compute.warehouse_id as warehouse_id,
        date_trunc('hour', start_time) as usage_hour,
        query_tags['project'] as project,
        query_tags['@@dbt_model_name'] as node_name,
        execution_duration_ms
    from system.query.history
    where
        start_time >= current_date() - interval 30 days
        and compute.warehouse_id is not null

),

prices as (

    select sku_name, usage_unit, price_start_time, price_end_time, pricing.effective_list.default as price
    from system.billing.list_prices
    where currency_code = 'USD'

),

hours as (

    select
        usages.usage_metadata.warehouse_id as warehouse_id,
        date_trunc('hour', usages.usage_start_time) as usage_hour,
        sum(usages.usage_quantity) as dbus,
        sum(usages.usage_quantity * prices.price) as dollars
    from system.billing.usage as usages
    inner join prices
        on
            usages.sku_name = prices.sku_name
            and usages.usage_unit = prices.usage_unit
            and usages.usage_start_time >= prices.price_start_time
            and (usages.usage_start_time < prices.price_end_time or prices.price_end_time is null)
    where
        usages.usage_metadata.warehouse_id is not null
        and usages.usage_date >= current_date() - interval 30 days
    group by 1, 2

),

shares as (

    select
        *,
        execution_duration_ms
        / nullif(sum(execution_duration_ms) over (partition by warehouse_id, usage_hour), 0) as share
    from statements

),

costs as (

    select
        cast(shares.usage_hour as date) as usage_date,
        coalesce(shares.node_name, '(no node)') as node_name,
        count(*) as statements,
        round(sum(shares.execution_duration_ms) / 1000, 1) as seconds,
        round(sum(shares.share * hours.dbus), 4) as dbus,
        round(sum(shares.share * hours.dollars), 4) as dollars
    from shares
    inner join hours
        on
            shares.warehouse_id = hours.warehouse_id
            and shares.usage_hour = hours.usage_hour
    where shares.project = 'crypto'
    group by 1, 2

)

select * from costs
order by usage_date desc, dollars desc
