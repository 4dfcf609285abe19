package io.github.learningsidecar;

/**
 * One thing that a shield did, so that a decision explains itself.
 *
 * @param shield the limit that acted
 * @param effect what it did
 * @param arm the arm it did it to
 */
public record ShieldAction(Shield shield, ShieldEffect effect, String arm) {}
