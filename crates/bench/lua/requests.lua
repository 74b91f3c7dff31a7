-- Plays the requests of a file, over and over, and prints what came of it as one line of JSON.
-- Arguments after the URL: method; file with a path and perhaps a body in each line; value of `Prefer`, or nothing;
-- the request to begin with.

local prepared = {}
local current = 0

function init(args)
    wrk.headers["Content-Type"] = "application/json"
    if args[3] ~= "" then wrk.headers["Prefer"] = args[3] end
    for line in io.lines(args[2]) do
        local path, body = line:match("^(%S+) ?(.*)$")
        prepared[#prepared + 1] = wrk.format(args[1], path, nil, body ~= "" and body or nil)
    end
    -- Two generators at once must not play the same requests at the same time.
    current = tonumber(args[4] or "0")
end

function request()
    current = current % #prepared + 1
    return prepared[current]
end

-- Times in microseconds.
function done(summary, latency)
    local failed = summary.errors
    print(string.format(
        '{"requests":%d,"duration":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,'
            .. '"p50":%d,"p95":%d,"p99":%d,"p999":%d,"max":%d}',
        summary.requests, summary.duration, failed.connect, failed.read, failed.write, failed.timeout, failed.status,
        latency:percentile(50), latency:percentile(95), latency:percentile(99), latency:percentile(99.9), latency.max))
end
