# Recompute the core figures of a report with base R, from its published pairs of runs.
#
#     Rscript benchmarks/recompute.R reports/NAME [MARGIN [FIRST]]
#
# MARGIN is the study's margin of equivalence ("-" for none), FIRST the pairs of Stein's first stage. Compared are the
# columns of tables/ablation.csv and tables/ablation_checks.csv, and the means of tables/arms.csv. Exit code 1 when a
# figure is wrong. `python -m benchmarks.recompute` recomputes the other tables too.

arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) < 1) stop("usage: Rscript benchmarks/recompute.R REPORT [MARGIN [FIRST]]")
folder <- file.path(arguments[1], "tables")
margin <- if (length(arguments) > 1 && arguments[2] != "-") as.numeric(arguments[2]) else NA
first <- if (length(arguments) > 2) as.integer(arguments[3]) else NA
level <- 0.05
checked <- 0
wrong <- 0

read <- function(name) {
  path <- file.path(folder, paste0(name, ".csv"))
  if (file.exists(path)) read.csv(path, check.names = FALSE, stringsAsFactors = FALSE) else NULL
}

compare <- function(table, row, column, published, own, tolerance = 1e-7) {
  if (is.null(published) || length(published) == 0) return(invisible())
  checked <<- checked + 1
  same <- if (is.na(own)) is.na(published) else {
    !is.na(published) && abs(published - own) <= tolerance * max(abs(own), 1e-3)
  }
  if (!same) {
    wrong <<- wrong + 1
    message(sprintf("wrong: %s, row %d, %s: published %s, recomputed %s", table, row, column, published, own))
  }
}

sign_flip <- function(differences) {
  n <- length(differences)
  signs <- as.matrix(expand.grid(rep(list(c(-1, 1)), n)))
  mean(abs(signs %*% differences) >= abs(sum(differences)) - 1e-9 * sum(abs(differences)))
}

# The noncentrality with P(T <= t) = p. R's pt is exact up to a noncentrality of 37.62.
noncentrality <- function(t, df, p) {
  if (abs(t) > 25) return(NULL)
  # pt warns at the far ends of the search, where it does not matter
  suppressWarnings(uniroot(function(delta) pt(t, df, delta) - p, c(-37, 37), tol = 1e-12)$root)
}

share <- function(wins, n) {
  low <- if (floor(wins) == 0) 0 else qbeta(level / 2, floor(wins), n - floor(wins) + 1)
  high <- if (ceiling(wins) == n) 1 else qbeta(1 - level / 2, ceiling(wins) + 1, n - ceiling(wins))
  c(wins / n, low, high)
}

statistics <- function(pairs) {
  pairs <- pairs[order(pairs$replicate), ]
  differences <- pairs$value - pairs$reference
  n <- length(differences)
  stage <- if (!is.na(first)) sum(pairs$replicate < first) else n
  if (stage < 2 || stage >= n) stage <- n
  sd_used <- sd(differences[seq_len(stage)])
  error <- sd_used / sqrt(n)
  t <- mean(differences) / error
  list(
    pairs = pairs, differences = differences, n = n, df = stage - 1, sd = sd_used, error = error, t = t,
    mean = mean(differences), p = 2 * pt(-abs(t), stage - 1)
  )
}

check_ablation <- function(ablation, checks, pairs) {
  label <- function(name) if (paste("without", name) %in% pairs$arm) paste("without", name) else name
  families <- lapply(ablation$arm, function(name) statistics(pairs[pairs$arm == label(name), ]))
  adjusted <- p.adjust(sapply(families, function(one) one$p), "holm")
  for (row in seq_along(families)) {
    one <- families[[row]]
    if (one$sd < 1e-12) next # equal differences have no t: recomputed in Python
    half <- function(alpha) qt(1 - alpha / 2, one$df) * one$error
    figure <- function(column, own) compare("ablation", row, column, ablation[[column]][row], own)
    figure("pairs", one$n)
    figure("reference mean", mean(one$pairs$reference))
    figure("arm mean", mean(one$pairs$value))
    figure("difference", one$mean)
    figure("difference low", one$mean - half(level))
    figure("difference high", one$mean + half(level))
    figure("Holm p", adjusted[row])
    if (!is.null(checks)) check_row(checks, row, one, half(level / length(families)), better, length(families))
  }
}

check_row <- function(checks, row, one, simultaneous, better, family) {
  figure <- function(column, own, tolerance = 1e-7) {
    if (length(own)) compare("ablation_checks", row, column, checks[[column]][row], own, tolerance)
  }
  figure("simultaneous interval low", one$mean - simultaneous)
  figure("simultaneous interval high", one$mean + simultaneous)
  if (one$n <= 16) figure("sign-flip p", sign_flip(one$differences))
  whole <- mean(one$differences) / (sd(one$differences) / sqrt(one$n))
  figure("d_z", whole / sqrt(one$n))
  for (end in c("low", "high")) {
    delta <- noncentrality(whole, one$n - 1, if (end == "low") 1 - level / 2 else level / 2)
    if (!is.null(delta)) figure(paste("d_z", end), delta / sqrt(one$n), 1e-5)
  }
  gains <- better * one$differences
  shares <- share(sum(gains > 0) + sum(gains == 0) / 2, one$n)
  for (place in 1:3) figure(paste0("P(arm beats reference)", c("", " low", " high")[place]), shares[place])
  corrected <- "Holm sign-flip p" %in% names(checks) # not in reports of version 0.1
  detectable <- noncentrality(qt(1 - level / 2 / (if (corrected) family else 1), one$df), one$df, 0.2)
  if (!is.null(detectable)) figure("detectable difference", detectable * one$sd / sqrt(one$n), 1e-5)
  if (!is.na(margin)) figure("equivalence p", pt((abs(one$mean) - margin) / one$error, one$df))
  figure("correlation of pairs", cor(one$pairs$reference, one$pairs$value))
}

check_arms <- function(arms, replicates, metric) {
  for (row in seq_len(nrow(arms))) {
    runs <- replicates[replicates$stage == "ablation" & replicates$arm == arms$arm[row], ]
    values <- runs[runs$status == "complete", metric]
    if (arms$diverged[row] > 0 || length(values) != arms$runs[row]) next # chance values are in no table of runs
    compare("arms", row, "mean", arms$mean[row], mean(values))
    if (length(values) < 2 || is.na(arms$`mean low`[row])) next
    half <- qt(1 - level / 2, length(values) - 1) * sd(values) / sqrt(length(values))
    inside <- function(end) if (grepl("accuracy", metric)) min(100, max(0, end)) else end
    compare("arms", row, "mean low", arms$`mean low`[row], inside(mean(values) - half))
    compare("arms", row, "mean high", arms$`mean high`[row], inside(mean(values) + half))
  }
}

replicates <- read("replicates")
metric <- names(replicates)[which(names(replicates) == "status") + 1]
better <- if (grepl("loss|error", metric)) -1 else 1
pairs <- read("pairs")
if (!is.null(read("ablation"))) check_ablation(read("ablation"), read("ablation_checks"), pairs)
if (!is.null(read("arms"))) check_arms(read("arms"), replicates, metric)
cat(sprintf("%s: %d figures checked in R, %d wrong\n", arguments[1], checked, wrong))
quit(status = if (wrong > 0) 1 else 0)
