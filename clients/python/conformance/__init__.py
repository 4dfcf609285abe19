"""The driver that lets this client act the scenarios of clients/conformance; its README says what it is told."""
