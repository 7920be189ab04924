#include "files.h"
#include "http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads up to the blank line that ends a request. What is left unread would reset the connection when it is closed. */
static int read_request(int connection, char *text, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        ssize_t taken = read(connection, text + length, size - 1 - length);
        if (taken <= 0)
            return -1;
        length += (size_t)taken;
        text[length] = '\0';
        if (strstr(text, "\r\n\r\n") != NULL)
            return 0;
    }
    return -1;
}

static void serve(int connection)
{
    char text[4096];
    struct request request;
    struct file file;
    if (read_request(connection, text, sizeof text) != 0)
        return;
    if (request_parse(text, &request) != 0)
        answer_write(connection, 400, "text/plain", "bad request\n", 12);
    else if (strcmp(request.method, "GET") != 0)
        answer_write(connection, 405, "text/plain", "only GET\n", 9);
    else if (file_read(request.path, &file) != 0)
        answer_write(connection, 404, "text/plain", "not found\n", 10);
    else {
        answer_write(connection, 200, file.type, file.bytes, file.length);
        free(file.bytes);
    }
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 8080;
    int on = 1;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0) {
        perror("c-server");
        return 1;
    }
    printf("listening on port %d\n", port);
    fflush(stdout);
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            continue;
        serve(connection);
        close(connection);
    }
}
