-- Move a task to another place in its queue.
--   KEYS[1] queue ZSET    KEYS[2] the call's note HASH, not needed where ARGV[4] is 0
--   ARGV[1] task    ARGV[2] "by" or "to"    ARGV[3] places towards the end (negative: the front), or the place from 0
--   ARGV[4] for how long a repeat of the call moves nothing more, ms (0 = it does)
--   ARGV[5] the stamp of the note
-- Returns the place it then has, from 0, or -1 when it is not in this queue.

local noted = ARGV[4] ~= "0"
if noted then
  local place = redis.call("HGET", KEYS[2], "place")
  if place then return tonumber(place) end
end

local function at(place)
  if noted then
    redis.call("HSET", KEYS[2], "place", place, "@", ARGV[5])
    redis.call("PEXPIRE", KEYS[2], ARGV[4])
  end
  return place
end

local rank = redis.call("ZRANK", KEYS[1], ARGV[1])
if not rank then return -1 end
local last = redis.call("ZCARD", KEYS[1]) - 1
local target = tonumber(ARGV[3]) + (ARGV[2] == "by" and rank or 0)
target = math.max(0, math.min(last, target))
if target == rank then return at(rank) end

local function score_at(place)
  if place < 0 or place > last then return nil end
  return tonumber(redis.call("ZRANGE", KEYS[1], place, place, "WITHSCORES")[2])
end

local function between()
  -- The neighbours it will have, in the ranks before the move.
  local before = score_at(target < rank and target - 1 or target)
  local after = score_at(target < rank and target or target + 1)
  if not before then return after - 1 end
  if not after then return before + 1 end
  local middle = (before + after) / 2
  if middle > before and middle < after then return middle end
end

local score = between()
if not score then
  -- No number fits between the neighbours any more (fifty moves to one place): number the queue afresh, in its order.
  for place, task in ipairs(redis.call("ZRANGE", KEYS[1], 0, -1)) do
    redis.call("ZADD", KEYS[1], place, task)
  end
  score = between()
end
redis.call("ZADD", KEYS[1], string.format("%.17g", score), ARGV[1])
return at(redis.call("ZRANK", KEYS[1], ARGV[1]))
