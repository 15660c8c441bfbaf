-- The figures of payments per minute, as `enricher/minutes.py` counts them; grain: a part of a minute and channel, whose parts add up.
-- A minute is closed 60 seconds after its end, by the clock of the slowest partition. What is late by the clock of its own is a part of its own.

set 'execution.target' = 'local';
set 'execution.runtime-mode' = 'streaming';
set 'parallelism.default' = '1';
set 'table.dml-sync' = 'true';
set 'table.local-time-zone' = 'UTC';
set 'execution.checkpointing.interval' = '${checkpoint_ms} ms';
set 'execution.checkpointing.mode' = 'EXACTLY_ONCE';
set 'execution.checkpointing.storage' = 'filesystem';
set 'execution.checkpointing.dir' = '${checkpoints}';
set 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
${restore}

create temporary table payments (
    occurred_at bigint not null, -- microseconds: the format's timestamp(3) is of milliseconds
    amount decimal(18, 2) not null,
    channel string not null,
    suspected boolean not null,
    place int not null metadata from 'partition' virtual,
    happened_at as to_timestamp_ltz(occurred_at / 1000, 3),
    came_at as proctime(),
    -- a window is closed when the watermark reaches its last millisecond: one more, so that it takes all that is not late
    watermark for happened_at as happened_at - interval '60.001' second
) with (
    'connector' = 'kafka',
    'topic' = '${source}',
    'scan.startup.mode' = 'earliest-offset',
    'properties.isolation.level' = 'read_committed',
    'properties.group.id' = 'flink-minutes',
    ${kafka},
    'format' = 'avro-confluent',
    ${registry}
);

create temporary table minutes (
    occurred_at timestamp(3) not null,
    channel_name string not null,
    events bigint not null,
    amount decimal(28, 6) not null,
    suspected bigint not null,
    late boolean not null
) with (
    'connector' = 'kafka',
    'topic' = '${target}',
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = 'flink-minutes',
    'properties.transaction.timeout.ms' = '300000',
    ${kafka},
    'format' = 'avro-confluent',
    ${registry}
);

-- The window alone would drop what is late. Told by CURRENT_WATERMARK, late payments were for a while after a restart neither in a window nor
-- late; so the clock of a partition is kept here, in the state.
create temporary view clocked as
select
    *,
    max(occurred_at) over (
        partition by place order by came_at rows between unbounded preceding and current row
    ) as clock
from payments;

create temporary view told as
select
    *,
    (occurred_at / 60000000 + 2) * 60000 <= clock / 1000 as late,
    case when suspected then cast(1 as bigint) else cast(0 as bigint) end as suspects
from clocked;

create temporary view in_time as
select * from told where not late;

insert into minutes
select window_start, channel, count(*), cast(sum(amount) as decimal(28, 6)), sum(suspects), false
from tumble(table in_time, descriptor(happened_at), interval '1' minute)
group by window_start, window_end, channel
union all
select cast(floor(happened_at to minute) as timestamp(3)), channel, 1, cast(amount as decimal(28, 6)), suspects, true
from told
where late;
