package io.github.learningsidecar;

/** Which numbers can be sent. One that cannot is the data's fault, so it is left out and never thrown about. */
final class Numbers {
    static final double COST_USD_MAX = 1e6;

    private Numbers() {}

    static boolean usable(double value, double low, double high) {
        // False for NaN, as every comparison with it is; infinities are out of every range.
        return Math.abs(value) <= Double.MAX_VALUE && low <= value && value <= high;
    }
}
