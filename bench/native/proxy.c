/*
 * Stands between a manager and its swtpm: counts the commands by their code, and can make each last as long as on a
 * hardware TPM.
 *
 *     proxy LISTEN_SOCKET SWTPM_SOCKET
 *
 * The control channels are LISTEN_SOCKET.ctrl and SWTPM_SOCKET.ctrl. swtpm takes one data connection, which is held
 * open; managers may connect anew for each command, as tpm2-abrmd's TCTI does. Lines on standard input, a line on
 * standard output for each:
 *
 *     delay CODE MICROSECONDS   from now on the command takes that long at least; code 0: those without a line of their
 *                               own
 *     reset                     all counts to 0
 *     counts                    "CODE:COUNT ..."
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CODES = 0x200, BUFFER = 8192, HEADER = 10, MAX_CONNECTIONS = 64, FIXED = 3 };

static long counts[CODES], delays[CODES];
static int tpm;
static const char *control_path;

/* Connections behind the fixed descriptors; a control connection has its peer's descriptor, a data one has -1. */
static struct pollfd watched[MAX_CONNECTIONS];
static int peers[MAX_CONNECTIONS];
static int watched_count;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_un address_of(const char *path, const char *suffix) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s%s", path, suffix) >= (int)sizeof address.sun_path)
        fail(path);
    return address;
}

static int connect_to(const char *path, const char *suffix) {
    struct sockaddr_un address = address_of(path, suffix);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || connect(s, (void *)&address, sizeof address) < 0)
        fail(address.sun_path);
    return s;
}

static int listen_at(const char *path, const char *suffix) {
    struct sockaddr_un address = address_of(path, suffix);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || bind(s, (void *)&address, sizeof address) < 0 || listen(s, 16) < 0)
        fail(address.sun_path);
    return s;
}

static void watch(int s, int peer) {
    if (watched_count == MAX_CONNECTIONS) {
        fputs("too many connections\n", stderr);
        exit(1);
    }
    watched[watched_count] = (struct pollfd) { .fd = s, .events = POLLIN };
    peers[watched_count++] = peer;
}

/* Closes a connection, and its peer at the same moment, before their descriptors can be anybody else's. */
static void forget(int i) {
    for (int j = FIXED; j < watched_count; j++)
        if (peers[i] >= 0 && watched[j].fd == peers[i]) {
            close(peers[i]);
            watched[j].fd = -1;
        }
    close(watched[i].fd);
    watched[i].fd = -1;
}

static void drop_closed(void) {
    int kept = FIXED;
    for (int i = FIXED; i < watched_count; i++)
        if (watched[i].fd >= 0) {
            watched[kept] = watched[i];
            peers[kept++] = peers[i];
        }
    watched_count = kept;
}

static uint32_t number(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/* A whole message, command or response; its length, or 0 at the end of the connection. */
static uint32_t receive(int s, uint8_t *buffer) {
    uint32_t got = 0, whole = HEADER;
    while (got < whole) {
        ssize_t count = recv(s, buffer + got, BUFFER - got, 0);
        if (count <= 0)
            return 0;
        got += count;
        if (got >= HEADER)
            whole = number(buffer + 2);
    }
    return got;
}

static void wait_until(struct timespec start, long microseconds) {
    long nanoseconds = start.tv_nsec + microseconds * 1000;
    struct timespec end = { start.tv_sec + nanoseconds / 1000000000, nanoseconds % 1000000000 };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
}

static bool pass_command(int s) {
    static uint8_t buffer[BUFFER];
    struct timespec start;
    uint32_t size = receive(s, buffer), code;
    if (size == 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &start);
    code = number(buffer + 6) < CODES ? number(buffer + 6) : 0;
    counts[code]++;
    if (send(tpm, buffer, size, MSG_NOSIGNAL) != size || (size = receive(tpm, buffer)) == 0)
        fail("swtpm");
    if (delays[code] || delays[0])
        wait_until(start, delays[code] ? delays[code] : delays[0]);
    return send(s, buffer, size, MSG_NOSIGNAL) == size;
}

static bool pass_control(int from, int to) {
    uint8_t buffer[BUFFER];
    ssize_t count = recv(from, buffer, sizeof buffer, 0);
    return count > 0 && send(to, buffer, count, MSG_NOSIGNAL) == count;
}

static void serve(void) {
    for (int i = FIXED; i < watched_count; i++) {
        int s = watched[i].fd;
        if (s >= 0 && watched[i].revents && !(peers[i] < 0 ? pass_command(s) : pass_control(s, peers[i])))
            forget(i);
    }
    drop_closed();
}

static void obey(void) {
    char line[128];
    unsigned code;
    long microseconds;
    if (!fgets(line, sizeof line, stdin))
        exit(0);
    if (sscanf(line, "delay %i %li", &code, &microseconds) == 2 && code < CODES)
        delays[code] = microseconds;
    else if (strcmp(line, "reset\n") == 0)
        memset(counts, 0, sizeof counts);
    else if (strcmp(line, "counts\n") == 0)
        for (code = 0; code < CODES; code++)
            if (counts[code])
                printf("0x%x:%ld ", code, counts[code]);
    puts("");
}

int main(int count, char **arguments) {
    if (count != 3)
        return 2;
    prctl(PR_SET_TIMERSLACK, 1);
    setvbuf(stdin, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    control_path = arguments[2];
    tpm = connect_to(arguments[2], "");
    watch(STDIN_FILENO, -1);
    watch(listen_at(arguments[1], ""), -1);
    watch(listen_at(arguments[1], ".ctrl"), -1);
    puts("ready");
    while (poll(watched, watched_count, -1) >= 0 || errno == EINTR) {
        if (watched[0].revents)
            obey();
        serve();
        if (watched[1].revents)
            watch(accept4(watched[1].fd, NULL, NULL, SOCK_CLOEXEC), -1);
        if (watched[2].revents) {
            int s = accept4(watched[2].fd, NULL, NULL, SOCK_CLOEXEC), peer = connect_to(control_path, ".ctrl");
            watch(s, peer);
            watch(peer, s);
        }
    }
    return 1;
}
