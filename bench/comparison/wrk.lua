-- For wrk: bodies, random hosts and paths, and the results as one line of JSON.
--   -- post=BYTES | hosts=COUNT paths=COUNT suffix=TEXT
function init(args)
  local options = {}
  for _, argument in ipairs(args) do
    local name, value = argument:match("^(%w+)=(.*)$")
    if name then options[name] = value end
  end
  if options.post then
    wrk.method = "POST"
    wrk.body = string.rep("x", tonumber(options.post))
  end
  if options.hosts then
    -- All requests are made beforehand: the generator must not cost more than what it measures.
    local made = {}
    for host = 0, tonumber(options.hosts) - 1 do
      wrk.headers["Host"] = "h" .. host .. ".hosts.test"
      for path = 0, tonumber(options.paths) - 1 do
        made[#made + 1] = wrk.format(nil, "/p" .. path .. options.suffix)
      end
    end
    math.randomseed(1)
    request = function() return made[math.random(#made)] end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "errors": %d, "error": "connect %d, read %d, write %d, timeout %d, status %d", ' ..
    '"seconds": %.6f, "p50_us": %.1f, "p99_us": %.1f, "p999_us": %.1f}\n',
    summary.requests, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
