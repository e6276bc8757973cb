-- For wrk: posts photos as forms, one after the other. Arguments: the path, then the files.
-- At the end prints one line of JSON: requests, answers that were errors, microseconds of run, median and 99th percentile of the waits.
local bodies, at = {}, 0

function init(args)
  path = args[1]
  for i = 2, #args do
    local f = assert(io.open(args[i], "rb"))
    bodies[#bodies + 1] = '--photo\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
      .. f:read("*a") .. "\r\n--photo--\r\n"
    f:close()
  end
  headers = { ["Content-Type"] = "multipart/form-data; boundary=photo" }
end

function request()
  at = at % #bodies + 1
  return wrk.format("POST", path, headers, bodies[at])
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"errors":%d,"duration":%d,"p50":%d,"p99":%d}\n', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration, latency:percentile(50), latency:percentile(99)))
end
