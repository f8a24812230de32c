-- Store one part of a batch: blocks into streams, statistics beside them; a part stored before changes nothing.
--   KEYS[1] meta HASH (gen, seq)   KEYS[2] parts ZSET   KEYS[3] part results HASH   KEYS[4] series HASH   KEYS[5...] streams
--   ARGV[1] generation expected    ARGV[2] sequence expected ("" = the part has no scalars: any will do)
--   ARGV[3] id of the part         ARGV[4] now, ms since epoch      ARGV[5] what to answer a repeat of this part
--   ARGV[6] parts older than this many ms are forgotten
--   ARGV[7] number of blocks, then for each: index of its stream in KEYS, block
--   then pairs of series field, packed statistics
-- Returns {0, sequence}, {1, generation, sequence} when it has to be prepared again, {2, sequence, answer} for a repeat.

local generation = redis.call("HGET", KEYS[1], "gen") or "0"
local sequence = redis.call("HGET", KEYS[1], "seq") or "0"

if redis.call("ZSCORE", KEYS[2], ARGV[3]) then
  return { 2, tonumber(sequence), redis.call("HGET", KEYS[3], ARGV[3]) or "" }
end
if generation ~= ARGV[1] or (ARGV[2] ~= "" and sequence ~= ARGV[2]) then
  return { 1, tonumber(generation), tonumber(sequence) }
end

local blocks, at = tonumber(ARGV[7]), 8
for _ = 1, blocks do
  redis.call("XADD", KEYS[tonumber(ARGV[at])], "*", "b", ARGV[at + 1])
  at = at + 2
end
if at <= #ARGV then
  for first = at, #ARGV, 400 do
    redis.call("HSET", KEYS[4], unpack(ARGV, first, math.min(first + 399, #ARGV)))
  end
  sequence = redis.call("HINCRBY", KEYS[1], "seq", 1)
end

redis.call("ZADD", KEYS[2], ARGV[4], ARGV[3])
redis.call("HSET", KEYS[3], ARGV[3], ARGV[5])
local oldest = tonumber(ARGV[4]) - tonumber(ARGV[6])
local old = redis.call("ZRANGEBYSCORE", KEYS[2], "-inf", string.format("%.0f", oldest), "LIMIT", 0, 100)
if #old > 0 then
  redis.call("ZREM", KEYS[2], unpack(old))
  redis.call("HDEL", KEYS[3], unpack(old))
end
return { 0, tonumber(sequence) }
