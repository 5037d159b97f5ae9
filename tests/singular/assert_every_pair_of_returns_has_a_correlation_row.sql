-- The reverse holds too: every correlation row belongs to two returns.
with pairs as (
    select side_a.symbol as symbol_a, side_b.symbol as symbol_b, side_a.metric_date
    from {{ ref('daily_metrics') }} as side_a
    inner join {{ ref('daily_metrics') }} as side_b
        on side_a.metric_date = side_b.metric_date and side_a.symbol < side_b.symbol
    where side_a.return_1d is not null and side_b.return_1d is not null
),

correlations as (
    select symbol_a, symbol_b, metric_date
    from {{ ref('correlations') }}
),

missing as (
    select * from pairs
    except all
    select * from correlations
),

unexplained as (
    select * from correlations
    except all
    select * from pairs
)

select symbol_a, symbol_b, metric_date, 'missing' as problem from missing
union all
select symbol_a, symbol_b, metric_date, 'unexplained' as problem from unexplained
