/*
 * A client of TPMs that does what it is told, and says how long it took. It knows no command: its driver makes them.
 * Lines on standard input, one line on standard output for each, which begins with "error" where it failed:
 *
 *     open ID KIND TARGET     ID: 0 to 4095. KIND: file (blocking), epoll (non-blocking), tcti (TARGET as
 *                             libtss2-tctildr takes it), unix
 *     close ID
 *     send ID HEX             answered with the response
 *     loop ROUNDS STEP...     the nanoseconds that each round took
 *     flood SECONDS ID:HEX... every connection repeats its command, all at the same time:
 *                             nanoseconds in all, "|", commands of each connection, "|", nanoseconds of each command,
 *                             "|", the longest time in which no answer came
 *
 * A STEP is ID:HEX, a command; ID:HEX> whose response begins with a handle to be remembered; ID:HEX< whose first handle
 * is that one; ID:HEX* the same with the second; +ID:KIND:TARGET; -ID. A response code other than 0 fails all but
 * "send".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 4096, BUFFER = 4096, HEADER = 10, MAX_STEPS = 256, MAX_SAMPLES = 4000000 };
enum kind { CLOSED, FILE_NODE, EPOLL, TCTI, UNIX };

struct connection {
    enum kind kind;
    int fd, epoll;
    TSS2_TCTI_CONTEXT *tcti;
    size_t length;              /* of the command that it repeats in a flood */
    uint8_t command[BUFFER];
    int64_t sent, count;
};

struct step {
    char verb;                  /* 0: a command */
    char use;                   /* of a remembered handle: '>', '<', '*' or 0 */
    int id;
    size_t length;
    uint8_t command[BUFFER];
    char target[256];
};

static struct connection *connections[MAX_CONNECTIONS];
static struct step steps[MAX_STEPS];
static int64_t samples[MAX_SAMPLES];
static char problem[512];

static bool fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vsnprintf(problem, sizeof problem, format, values);
    va_end(values);
    return false;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static uint32_t number(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static size_t from_hex(const char *text, uint8_t *bytes) {
    size_t length = 0;
    for (unsigned byte; length < BUFFER && sscanf(text, "%2x", &byte) == 1; text += 2)
        bytes[length++] = byte;
    return length;
}

static bool open_socket(struct connection *c, const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return (c->fd >= 0 && connect(c->fd, (void *)&address, sizeof address) == 0) || fail("connect %s: %m", path);
}

static bool open_file(struct connection *c, const char *path) {
    struct epoll_event readable = { .events = EPOLLIN };
    c->fd = open(path, O_RDWR | O_CLOEXEC | (c->kind == EPOLL ? O_NONBLOCK : 0));
    if (c->fd < 0)
        return fail("open %s: %m", path);
    if (c->kind == EPOLL && ((c->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0
            || epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->fd, &readable) < 0))
        return fail("epoll %s: %m", path);
    return true;
}

static bool open_tcti(struct connection *c, const char *conf) {
    TSS2_RC rc = Tss2_TctiLdr_Initialize(conf, &c->tcti);
    return rc == TSS2_RC_SUCCESS || fail("TCTI %s: 0x%x", conf, rc);
}

static void close_connection(int id) {
    struct connection *c = connections[id];
    if (!c)
        return;
    if (c->tcti)
        Tss2_TctiLdr_Finalize(&c->tcti);
    if (c->epoll >= 0)
        close(c->epoll);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
    connections[id] = NULL;
}

static bool open_connection(int id, const char *kind, const char *target) {
    static const char *kinds[] = { "", "file", "epoll", "tcti", "unix" };
    struct connection *c;
    if (id < 0 || id >= MAX_CONNECTIONS || connections[id] || !(c = calloc(1, sizeof *c)))
        return fail("connection %d cannot be opened", id);
    connections[id] = c;
    c->fd = c->epoll = -1;
    for (int i = FILE_NODE; i <= UNIX; i++)
        if (strcmp(kind, kinds[i]) == 0)
            c->kind = i;
    bool opened = c->kind == CLOSED ? fail("kind %s", kind)
        : c->kind == TCTI ? open_tcti(c, target)
        : c->kind == UNIX ? open_socket(c, target)
        : open_file(c, target);
    if (!opened)
        close_connection(id);
    return opened;
}

static bool transmit(struct connection *c, const uint8_t *command, size_t length) {
    if (c->kind == TCTI) {
        TSS2_RC rc = Tss2_Tcti_Transmit(c->tcti, length, command);
        return rc == TSS2_RC_SUCCESS || fail("transmit: 0x%x", rc);
    }
    return write(c->fd, command, length) == (ssize_t)length || fail("write: %m");
}

/* The whole response, which may be waited for. */
static bool receive(struct connection *c, uint8_t *response, size_t *length) {
    *length = BUFFER;
    if (c->kind == TCTI) {
        TSS2_RC rc = Tss2_Tcti_Receive(c->tcti, length, response, TSS2_TCTI_TIMEOUT_BLOCK);
        return rc == TSS2_RC_SUCCESS || fail("receive: 0x%x", rc);
    }
    size_t got = 0;
    do {
        ssize_t count = read(c->fd, response + got, BUFFER - got);
        if (count <= 0)
            return fail("read: %s", count ? strerror(errno) : "nothing");
        got += count;
    } while (got < HEADER || got < number(response + 2));
    *length = got;
    return true;
}

static bool exchange(int id, const uint8_t *command, size_t length, uint8_t *response, size_t *got) {
    struct connection *c = id >= 0 && id < MAX_CONNECTIONS ? connections[id] : NULL;
    struct epoll_event event;
    if (!c)
        return fail("connection %d is not open", id);
    if (!transmit(c, command, length))
        return false;
    if (c->kind == EPOLL)
        while (epoll_wait(c->epoll, &event, 1, -1) < 0)
            if (errno != EINTR)
                return fail("epoll_wait: %m");
    return receive(c, response, got);
}

static bool succeeded(const uint8_t *response) {
    return number(response + 6) == 0 || fail("response code 0x%x", number(response + 6));
}

static bool parse_step(char *text, struct step *step) {
    char *colon, *target;
    *step = (struct step) { .verb = *text == '+' || *text == '-' ? *text : 0 };
    step->id = atoi(text + (step->verb != 0));
    if (step->verb == '-')
        return true;
    if (!(colon = strchr(text, ':')))
        return fail("no step: %.40s", text);
    if (step->verb == '+') {
        target = strchr(colon + 1, ':');
        if (!target || strlen(colon + 1) >= sizeof step->target)
            return fail("no step: %.40s", text);
        strcpy(step->target, colon + 1);
        return true;
    }
    char last = text[strlen(text) - 1];
    step->use = strchr("<>*", last) ? last : 0;
    step->length = from_hex(colon + 1, step->command);
    return true;
}

static bool run_step(struct step *step, uint8_t *handle) {
    static uint8_t response[BUFFER];
    size_t got;
    if (step->verb == '-') {
        close_connection(step->id);
        return true;
    }
    if (step->verb == '+') {
        char kind[256];
        strcpy(kind, step->target);
        char *target = strchr(kind, ':');
        *target = 0;
        return open_connection(step->id, kind, target + 1);
    }
    if (step->use == '<' || step->use == '*')
        memcpy(step->command + (step->use == '<' ? HEADER : HEADER + 4), handle, 4);
    if (!exchange(step->id, step->command, step->length, response, &got) || !succeeded(response))
        return false;
    if (step->use == '>')
        memcpy(handle, response + HEADER, 4);
    return true;
}

static bool loop(char *text) {
    uint8_t handle[4] = { 0 };
    char *save, *word = strtok_r(text, " ", &save);
    long rounds = word ? atol(word) : 0;
    int count = 0;
    while ((word = strtok_r(NULL, " ", &save)) && count < MAX_STEPS)
        if (!parse_step(word, &steps[count++]))
            return false;
    if (rounds < 1 || rounds > MAX_SAMPLES || word)
        return fail("too many rounds or steps");
    for (long round = 0; round < rounds; round++) {
        int64_t start = now();
        for (int i = 0; i < count; i++)
            if (!run_step(&steps[i], handle))
                return false;
        samples[round] = now() - start;
    }
    for (long round = 0; round < rounds; round++)
        printf("%ld ", (long)samples[round]);
    return true;
}

/* A descriptor that is readable when the response is there. */
static int ready_fd(struct connection *c) {
    TSS2_TCTI_POLL_HANDLE handles[1];
    size_t count = 1;
    if (c->kind != TCTI)
        return c->fd;
    return Tss2_Tcti_GetPollHandles(c->tcti, handles, &count) == TSS2_RC_SUCCESS && count == 1 ? handles[0].fd : -1;
}

static bool send_again(struct connection *c) {
    c->sent = now();
    return transmit(c, c->command, c->length);
}

static bool start_flood(char *list, int epoll, int *count) {
    char *save;
    *count = 0;
    for (char *word = strtok_r(list, " ", &save); word; word = strtok_r(NULL, " ", &save), ++*count) {
        int id = atoi(word);
        struct connection *c = connections[id];
        struct epoll_event event = { .events = EPOLLIN | (c && c->kind == TCTI ? 0 : EPOLLET), .data.u32 = id };
        if (!c || c->kind == FILE_NODE)
            return fail("connection %d cannot flood", id);
        c->length = from_hex(strchr(word, ':') + 1, c->command);
        c->count = 0;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, ready_fd(c), &event) < 0)
            return fail("epoll_ctl: %m");
    }
    return true;
}

static bool flood(char *text) {
    static uint8_t response[BUFFER];
    char *list;
    double seconds = strtod(text, &list);
    int epoll = epoll_create1(EPOLL_CLOEXEC), count, running, ids[MAX_CONNECTIONS], known = 0;
    long taken = 0;
    size_t got;
    if (!start_flood(list, epoll, &count))
        return false;
    running = count;
    int64_t start = now(), end = start + (int64_t)(seconds * 1e9), last = start, pause = 0;
    for (int id = 0; id < MAX_CONNECTIONS; id++)
        if (connections[id] && connections[id]->length) {
            ids[known++] = id;
            if (!send_again(connections[id]))
                return false;
        }
    while (running > 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 60000);
        if (ready == 0)
            return fail("no answer for 60 s; %d of %d wait", running, count);
        for (int i = 0; i < ready; i++) {
            struct connection *c = connections[events[i].data.u32];
            if (!(events[i].events & EPOLLIN) || !receive(c, response, &got) || !succeeded(response))
                return problem[0] || fail("hung up");
            int64_t answered = now();
            pause = answered - last > pause ? answered - last : pause;
            last = answered;
            if (taken < MAX_SAMPLES)
                samples[taken++] = answered - c->sent;
            c->count++;
            if (answered >= end)
                running--;
            else if (!send_again(c))
                return false;
        }
    }
    close(epoll);
    printf("%ld |", (long)(now() - start));
    for (int i = 0; i < known; i++) {
        printf(" %ld", (long)connections[ids[i]]->count);
        connections[ids[i]]->length = 0;
    }
    printf(" |");
    for (long i = 0; i < taken; i++)
        printf(" %ld", (long)samples[i]);
    printf(" | %ld", (long)pause);
    return true;
}

static bool send_once(char *text) {
    static uint8_t command[BUFFER], response[BUFFER];
    char *hex = strchr(text, ' ');
    size_t got, length = hex ? from_hex(hex + 1, command) : 0;
    if (!exchange(atoi(text), command, length, response, &got))
        return false;
    for (size_t i = 0; i < got; i++)
        printf("%02x", response[i]);
    return true;
}

static bool obey(char *line) {
    int id;
    char kind[16], target[256];
    if (sscanf(line, "open %d %15s %255s", &id, kind, target) == 3)
        return open_connection(id, kind, target);
    if (sscanf(line, "close %d", &id) == 1 && id >= 0 && id < MAX_CONNECTIONS) {
        close_connection(id);
        return true;
    }
    if (strncmp(line, "send ", 5) == 0)
        return send_once(line + 5);
    if (strncmp(line, "loop ", 5) == 0)
        return loop(line + 5);
    if (strncmp(line, "flood ", 6) == 0)
        return flood(line + 6);
    return fail("unknown: %.40s", line);
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    while ((length = getline(&line, &room, stdin)) > 0) {
        line[length - 1] = 0;
        problem[0] = 0;
        if (!obey(line))
            printf("error %s", problem);
        putchar('\n');
        fflush(stdout);
    }
    return 0;
}
