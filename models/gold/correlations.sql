-- Grain: one row per pair of symbols and calendar day on which both have a return.
{{ config(unique_key=['symbol_a', 'symbol_b', 'metric_date']) }}

with

days as (

    select symbol, metric_date, {{ as_double('close') }} as close
    from {{ ref('daily_metrics') }}

),

returns as (

    select
        symbol,
        metric_date,
        {{ log_return('close', bar='metric_date') }} as log_return
    from days

),

pairs as (

    select
        side_a.symbol as symbol_a,
        side_b.symbol as symbol_b,
        side_a.metric_date,
        side_a.log_return as return_a,
        side_b.log_return as return_b
    from returns as side_a
    inner join returns as side_b
        on side_a.metric_date = side_b.metric_date and side_a.symbol < side_b.symbol
    where side_a.log_return is not null and side_b.log_return is not null

),

final as (

    select
        symbol_a,
        symbol_b,
        metric_date,
        {{ correlation('return_a', 'return_b', 30, bar='metric_date') }} as correlation_30,
        {{ correlation('return_a', 'return_b', 90, bar='metric_date') }} as correlation_90
    from pairs

)

select * from final
