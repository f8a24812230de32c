-- Put one segment in the place of others (or none), if nothing was sealed or reset meanwhile.
--   KEYS[1] meta HASH (gen, seal)   KEYS[2] segments HASH
--   ARGV[1] generation   ARGV[2] seal   ARGV[3] number of the seal whose place it takes   ARGV[4] its entry, "" = none
--   ARGV[5...] numbers of the seals it replaces
-- Returns 1, or 0 when something changed.
local found = redis.call("HMGET", KEYS[1], "gen", "seal")
for i = 1, 2 do
  if (found[i] or "0") ~= ARGV[i] then return 0 end
end
for i = 5, #ARGV do
  redis.call("HDEL", KEYS[2], ARGV[i])
end
if ARGV[4] ~= "" then redis.call("HSET", KEYS[2], ARGV[3], ARGV[4]) end
redis.call("HINCRBY", KEYS[1], "seal", 1)
return 1
