-- Put segments in the place of others (or none), if nothing was sealed or reset meanwhile.
--   KEYS[1] meta HASH (gen, seal)   KEYS[2] segments HASH
--   ARGV[1] generation   ARGV[2] seal   ARGV[3...] pairs: number of a seal, the entry that is there from now, "" = none
-- Returns 1, or 0 when something changed.
local found = redis.call("HMGET", KEYS[1], "gen", "seal")
for i = 1, 2 do
  if (found[i] or "0") ~= ARGV[i] then return 0 end
end
for i = 3, #ARGV, 2 do
  if ARGV[i + 1] == "" then
    redis.call("HDEL", KEYS[2], ARGV[i])
  else
    redis.call("HSET", KEYS[2], ARGV[i], ARGV[i + 1])
  end
end
redis.call("HINCRBY", KEYS[1], "seal", 1)
return 1
