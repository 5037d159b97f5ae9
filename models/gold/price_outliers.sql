-- Grain: one row per trade whose price is far from the week before it.
{{ config(unique_key=['trade_id']) }}

with

days as (

    select symbol, metric_date, high, low, close
    from {{ ref('daily_metrics') }}

),

trades as (

    select trade_id, symbol, exchange, traded_at, trade_date, price, volume
    from {{ ref('trades') }}

),

-- The median leaves out the day itself, so that an outlier does not shift the value it is compared with. It is a
-- decimal, as prices are: what is exactly three times as high is so on every engine.
medians as (

    select
        *,
        case
            when count(close) over (
                partition by symbol order by metric_date rows between 7 preceding and 1 preceding
            ) = 7 then element_at(sort_array(collect_list(close) over (
                partition by symbol order by metric_date rows between 7 preceding and 1 preceding
            )), 4)
        end as median_7d
    from days

),

-- Few days have an outlier, so few trades have to be read.
suspect_days as (

    select symbol, metric_date, median_7d
    from medians
    where high > 3 * median_7d or 3 * low < median_7d

),

outliers as (

    select
        trades.trade_id,
        trades.symbol,
        trades.exchange,
        trades.traded_at,
        trades.price,
        trades.volume,
        {{ as_double('suspect_days.median_7d') }} as median_7d,
        {{ as_double('trades.price') }} / {{ as_double('suspect_days.median_7d') }} as price_ratio
    from trades
    inner join suspect_days
        on trades.symbol = suspect_days.symbol and trades.trade_date = suspect_days.metric_date
    where trades.price > 3 * suspect_days.median_7d or 3 * trades.price < suspect_days.median_7d

)

select * from outliers
