# ruff: noqa: E501 - HTML and its script
"""The page: one file of HTML that shows what Status answers, refreshed every two seconds."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Learning Sidecar</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #222 }
 h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem } .quiet { color: #666 }
 table { border-collapse: collapse; width: 100% } th, td { text-align: right; padding: .25rem .6rem }
 th:first-child, td:first-child { text-align: left } tr { border-bottom: 1px solid #ddd } th { font-weight: 600 }
 .mode { border-radius: .8rem; padding: .1rem .6rem; background: #e8eef7; font-size: .85rem }
 .bar { background: #4a7ebb; height: .6rem; display: inline-block; border-radius: .2rem; vertical-align: middle }
 #problem { color: #a00 }
</style></head><body>
<h1>Learning Sidecar <span class="quiet" id="version"></span></h1>
<p><label>tenant <input id="tenant" placeholder="default"></label>
 <label>workspace <input id="workspace" placeholder="main"></label>
 <span class="quiet" id="store"></span> <span id="problem" role="alert"></span></p>
<main id="domains"></main>
<script>
 const element = (tag, text, ...children) => {
   const made = document.createElement(tag); made.append(...(text === "" ? [] : [String(text)]), ...children); return made }
 const money = usd => "$" + usd.toPrecision(3), share = part => (100 * part).toFixed(1) + " %"
 const row = (tag, ...cells) => element("tr", "", ...cells.map(cell => cell instanceof Node ? cell : element(tag, cell)))
 function bar(part) {
   const cell = element("td", share(part) + " "), made = element("span", "")
   made.className = "bar"; made.style.width = 4 * part + "rem"; cell.append(made); return cell }
 function budget(one) {
   const limit = one.limit_usd === undefined ? "no limit" : "of " + money(one.limit_usd) + " a " + one.window
   return `spent ${money(one.spent_usd)} ${limit}, reserved ${money(one.reserved_usd)}, overrun ${money(one.overrun_usd)}` }
 function domain(one) {
   const mode = element("span", one.mode.replace("MODE_", "").toLowerCase()); mode.className = "mode"
   const facts = element("p", `${one.policy}; ${one.decisions} decisions, ${one.open} open, ${one.applied} rewarded, ` +
     `${one.duplicates} duplicate, ${one.late} late, ${one.expired} expired; ${budget(one.budget)}`)
   facts.className = "quiet"
   const head = row("th", "arm", "share", "pulls", "rewards", "mean", "95 % interval", "cost", "latency", "proposed")
   const arms = one.arms.map(arm => row("td", arm.arm, bar(arm.traffic_share), arm.pulls, arm.rewards,
     +arm.rewards + +arm.defaulted ? arm.reward_mean.toFixed(3) : "-",
     arm.reward_low.toFixed(3) + " to " + arm.reward_high.toFixed(3),
     money(arm.cost_mean_usd), arm.latency_mean_ms.toFixed(0) + " ms", arm.proposed))
   return element("section", "", element("h2", one.domain + " ", mode), ...gate(one), facts, element("table", "", head, ...arms)) }
 const stage = mode => mode.replace("MODE_", "").toLowerCase()
 function gate(one) {
   const at = one.gate, next = element("p", "Next: " + at.next + ".")
   const figures = [`attempt ${at.attempt}`]
   if (at.share) figures.push(`evidence ${at.evidence.toPrecision(4)} of ${at.evidence_needed.toPrecision(4)}`,
     `improvement ${at.improvement.toFixed(4)} a decision, at least ${at.improvement_low.toFixed(4)} with ${share(at.confidence)}`,
     `${at.decisions} sampled decisions folded, ${at.unfolded} not yet, ${at.exposures} executed the policy's arm`)
   if (at.loss_allowance_left !== undefined)
     figures.push(`${at.loss_allowance_left.toFixed(1)} of ${at.loss_allowance.toFixed(1)} rewards of the loss allowance left`)
   if (at.stage === "MODE_LIVE") figures.push(`alarm ${at.alarm.toPrecision(3)} of ${at.alarm_at}`)
   figures.push(`agreement ${share(one.agreement_rate)}`, `rewards after ${Math.round(one.delay_mean_ms)} ms, ${share(one.missing_rate)} missing`)
   const now = element("p", figures.join("; ")), bar = element("span", "")
   const log = value => Math.max(0, Math.min(1, Math.log(Math.max(1, value)) / Math.log(at.evidence_needed)))
   bar.className = "bar"; bar.style.width = 12 * log(at.evidence) + "rem"; bar.title = "evidence, on a logarithmic scale"
   if (at.share) now.prepend(bar, " ")
   const events = at.events.map(event => element("li", new Date(+event.at_unix_ms).toISOString() + ` ${stage(event.before)} to ` +
     `${stage(event.after)}: ${event.reason}` + (event.checkpoint_restored ? "; the last checkpoint was reinstated" : "")))
   now.className = "quiet"
   return [next, now, ...(events.length ? [element("ul", "", ...events)] : [])] }
 async function refresh() {
   const of = id => encodeURIComponent(document.getElementById(id).value)
   try {
     const answer = await fetch(`/status.json?tenant=${of("tenant")}&workspace=${of("workspace")}`)
     const status = await answer.json()
     document.getElementById("problem").textContent = status.error || ""
     if (status.error) return
     document.getElementById("version").textContent = status.sidecar_version
     document.getElementById("store").textContent =
       (status.store.reachable ? status.store.server : "the store is away") + "; workspace " + budget(status.budget)
     const none = element("p", "No decision was made in this workspace yet.")
     document.getElementById("domains").replaceChildren(...(status.domains.length ? status.domains.map(domain) : [none]))
   } catch (problem) { document.getElementById("problem").textContent = problem.message } }
 refresh(); setInterval(refresh, 2000)
</script></body></html>
"""
