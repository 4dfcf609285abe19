"""The gate: lets a learner act only as far as evidence allows, so that it can only match or improve the baseline.

A domain starts in shadow: the baseline is executed, the learner only proposes. In canary a small share of the decisions
in which learner and baseline differ executes the proposal; in live all but a small share. The gate decides when to move
up, and back. Why it is built as it is:

**Why a coin at all.** In pure shadow no proposal is ever executed, so the law of everything that can be seen does not
depend on how good the proposals are. Whatever rule promotes a good learner promotes a bad one as often: no amount of
shadow data, and no prior, can justify a promotion. Something has to be tried. Trying by the toss of a coin makes each
decision an unbiased estimate of the difference, however the learner chose its proposal.

**Why a fresh coin.** The proof needs the coin to be independent of both outcomes and of whether the decision counts. So
the coin is tossed with a secret salt after everything else is fixed: candidates and baseline by the caller, the
proposal by the learner among what latency allows, and the money for *both* arms before the coin's side is looked at.
What happens afterwards never takes a decision out again: a release, a crash or a lost report is a missing reward
under a declared rule. Checking only the arm that the coin picked would drop dear proposals and keep cheap baselines:
a sample that looks better than it is.

**Why fixed bets.** The evidence is the wealth of a gambler who bets that proposals are better: each decision
multiplies it by 1 + kappa D / c. If the summed improvement is not above zero, that wealth is dominated by a
nonnegative supermartingale, and by Ville's inequality ever reaches 1/alpha with a probability of at most alpha: it
may be looked at after every decision. That holds for the *sum* of differences, drifting as it may, only while kappa
is fixed. A bet that adapts tests "never better at any time", and is promoted by a learner that is better now and
worse then, with a sum below zero. With kappa fixed the state is also eight integers, free of order, and may be
merged: three reasons, one choice. A grid of eight bets replaces the adaptation.

**Why epochs.** Rewards come late, and bad ones often later. Who counts them as they arrive sees the good ones first,
and promotes what is worse. So decisions are cut into epochs in the order in which they were made; an epoch is folded
when every reward of it is in or overdue, and only after the one before it. What is looked at is then a subsequence of
the evidence with full information, whatever the order of arrival, and a supremum over fewer looks is smaller.

**Why the loss is bounded too.** The same event bounds the summed improvement from below, at all times. An exposure is
allowed only while that bound, less every exposure that is not folded yet (each counted as a total loss), stays above
what the phase may lose. So information has a price that is agreed to beforehand, and the price is paid at most once
per attempt, halving.

`docs/guarantee.md` has the theorems and their proofs; `benchmarks/gate.py` reproduces the figures. The files, in
reading order: `coin`, `betting`, `phase`, `attempts`, `allowance`, `detector`, `ladder`, then `prior`, `planning` and
`outlook`. Nothing here does I/O: state goes in, state comes out.
"""
