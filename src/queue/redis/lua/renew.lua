-- Renews a lease for another term and stores a report.
-- KEYS: lease, report.  ARGV: fence, term in milliseconds, report.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
return 1
