{#-
    The columns of every candle, in order and with their types.

    windows            CTE of aggregated windows
    key                the key columns, separated by commas
    upstream           the relation that the windows were computed from; its newest revision becomes the candle's
    changed_windows    CTE of the windows to return, in an incremental run; one without trades becomes a tombstone
-#}
{% macro candle_columns(windows, key, upstream, changed_windows=none) %}
    select
        {{ key }},
        open, high, low, close,
        cast(volume as decimal(28, 8)) as volume,
        cast(buy_volume as decimal(28, 8)) as buy_volume,
        -- The casts come first, because a difference of wider decimals would lose its last digit.
        cast(cast(volume as decimal(28, 8)) - cast(buy_volume as decimal(28, 8)) as decimal(28, 8)) as sell_volume,
        cast(quote_volume as decimal(38, 16)) as quote_volume,
        -- A quote volume that stops at the largest value of its type must not take vwap out of the candle.
        case
            when quote_volume < {{ largest_amount() }} then {{ as_double('quote_volume') }} / {{ as_double('volume') }}
            else greatest(
                {{ as_double('low') }},
                least({{ as_double('high') }}, {{ as_double('quote_volume') }} / {{ as_double('volume') }})
            )
        end as vwap,
        trade_count,
        first_trade_at, last_trade_at,
        newest.revision,
        trade_count is null as is_deleted
    from {{ changed_windows ~ ' left join ' ~ windows ~ ' using (' ~ key ~ ')' if changed_windows else windows }}
    cross join (select max(revision) as revision from {{ upstream }}) as newest
{% endmacro %}
