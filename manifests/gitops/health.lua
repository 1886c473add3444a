-- Health of a VMWorkload for Argo CD: resource.customizations.health.schedune.io_VMWorkload
local health = {status = "Progressing", message = "Waiting for Schedune to look at it"}
local status = obj.status
if status == nil or status.observedGeneration == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "Waiting for Schedune to look at the changed spec"
  return health
end
local ready, stalled
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Stalled" then
    stalled = condition
  end
end
if stalled ~= nil and stalled.status == "True" then
  return {status = "Degraded", message = stalled.reason .. ": " .. stalled.message}
end
if ready == nil then
  return health
end
if ready.status == "True" then
  -- Also while it is stopped as asked: a sync with waves or hooks waits for ever for what is Suspended.
  return {status = "Healthy", message = ready.message}
end
health.message = ready.reason .. ": " .. ready.message
return health
