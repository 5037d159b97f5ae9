-- A symbol that no longer trades continues to the market's last day, and only that day is not complete.
with days as (
    select
        symbol, metric_date, is_complete,
        max(metric_date) over (partition by symbol) as last_day,
        max(metric_date) over () as market_last_day
    from {{ ref('daily_metrics') }}
)

select *
from days
where last_day <> market_last_day or is_complete <> (metric_date < market_last_day)
