-- Five bars computed by hand, with periods short enough for that. A simple mean in place of Wilder's, a wrong seed or a
-- late first bar fails here; a returned row names the indicators that differ.
{% set names = ['sma_3', 'ema_3', 'wilder_2', 'rsi_2', 'macd_2_3', 'signal_2', 'bollinger_3', 'true_range', 'atr_2',
    'vwap_2', 'volatility_2', 'drawdown'] %}

with given as (
    select given.*
    from (
        values
        ('A', 1, 2d, 0d, 1d, cast(1 as decimal(28, 8)), cast(1 as decimal(38, 16))),
        ('A', 2, 2d, 1d, 2d, 0, 0),
        ('A', 3, 4d, 3d, 3d, 1, 3),
        ('A', 4, 3d, 2d, 2d, 0, 0),
        ('A', 5, 4d, 4d, 4d, 0, 0)
    ) as given (symbol, bars_seen, high, low, close, volume, quote_volume)
),

expected as (
    select expected.*
    from (
        values
        (1, null, null, null, null, null, null, null, 2, null, null, null, 0),
        (2, null, null, 3 / 2d, null, null, null, null, 1, 3 / 2d, 1, null, 0),
        (3, 2, 2, 9 / 4d, 100, 1 / 2d, null, 2 + 2 * sqrt(2 / 3d), 2, 7 / 4d, 3, ln(4 / 3d), 0),
        (4, 7 / 3d, 2, 17 / 8d, 50, 1 / 6d, 1 / 3d, 7 / 3d + 2 * sqrt(2 / 9d), 1, 11 / 8d, 3, ln(9 / 4d), -1 / 3d),
        (5, 3, 3, 49 / 16d, 250 / 3d, 7 / 18d, 10 / 27d, 3 + 2 * sqrt(2 / 3d), 2, 27 / 16d, null, ln(3d), 0)
    ) as expected (bars_seen, {{ names | join(', ') }})
),

changes as (
    select
        *,
        close - lag(close) over (partition by symbol order by bars_seen) as change,
        {{ log_return('close') }} as log_return,
        {{ true_range('high', 'low', 'close') }} as true_range
    from given
),

averages as (
    select
        *,
        {{ sma('close', 3) }} as sma_3,
        {{ ema('close', 3) }} as ema_3,
        {{ wilder('close', 2) }} as wilder_2,
        {{ rsi('change', 2) }} as rsi_2,
        {{ macd('close', 2, 3) }} as macd_2_3,
        {{ bollinger('close', 2, 3) }} as bollinger_3,
        {{ atr('true_range', 2) }} as atr_2,
        {{ rolling_vwap('quote_volume', 'volume', 2) }} as vwap_2,
        {{ volatility('log_return', 2, bars_per_year=2) }} as volatility_2,
        {{ drawdown('close') }} as drawdown
    from changes
),

found as (
    select *, {{ ema('macd_2_3', 2, first=3) }} as signal_2
    from averages
),

compared as (
    select
        expected.bars_seen,
        concat_ws(
            ', '
            {%- for name in names %},
            case
                when
                    not coalesce(abs(found.{{ name }} - expected.{{ name }}) < 1e-12, false)
                    and coalesce(found.{{ name }}, expected.{{ name }}) is not null
                    then '{{ name }}'
            end
            {%- endfor %}
        ) as different
    from expected
    left join found on expected.bars_seen = found.bars_seen
)

select * from compared
where different <> ''
